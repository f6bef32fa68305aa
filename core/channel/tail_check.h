/* SPDX-License-Identifier: Apache-2.0 */
/* tail_check.h - finds lost tails: compares the last seq received for each channel with the store's head.
 *
 * The next event's seq reveals a loss in the middle; only this check finds a loss at the end. A channel is checked
 * after a quiet second. A channel that has been quiet for long is checked less often when there are many. Each query
 * asks for up to STORE_HEADS_MAX channels. Each part of the store (a shard) has its own queries, few at a time, and its
 * own pauses: a slow or unavailable part does not delay the others.
 */
#ifndef CHANNEL_TAIL_CHECK_H
#define CHANNEL_TAIL_CHECK_H

#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

struct tail_check;
struct loop;
struct store;

/* IDLE_AFTER: a channel without an event for this long is idle. Heads of idle channels are asked in turn, one query
 * each TAIL_CHECK_ACTIVE_MS, but each channel at least once in TAIL_CHECK_IDLE_MS. HURRIED replaces ACTIVE while the
 * bus is degraded. */
enum {
    TAIL_CHECK_ACTIVE_MS = 1000,
    TAIL_CHECK_HURRIED_MS = 250,
    TAIL_CHECK_IDLE_MS = 10000,
    TAIL_CHECK_IDLE_AFTER_MS = 30000
};
/* Pause of a part after a failed query, longer each time, plus or minus a tenth. The channels of that query are due
 * after the pause. */
enum { TAIL_CHECK_RETRY_MS = 100, TAIL_CHECK_RETRY_MOST_MS = 800 };

/* A channel; embedded in its cursor. */
struct tail_check_watch {
    struct list link;
    struct slice channel_id; /* borrowed: the owner's */
    struct heads_part *part;
    uint64_t checked_ms, moved_ms;
    uint64_t query;       /* the query that asks about it; 0: none, or an event arrived since */
    bool is_idle, is_due; /* due: at once */
};

/* found: the store's answer for a channel, which may no longer be watched. */
struct tail_check *tail_check_new(struct loop *loop, struct store *store,
                                  void (*found)(void *owner, struct slice channel_id, int64_t seq, struct slice epoch),
                                  void *owner);
/* No watch may be left. */
void tail_check_free(struct tail_check **tail_check);
/* The channel's head is known now. */
void tail_check_add(struct tail_check *tail_check, struct tail_check_watch *watch, struct slice channel_id);
void tail_check_remove(struct tail_check *tail_check, struct tail_check_watch *watch);
/* An event arrived: a loss before it would be noticed. */
void tail_check_moved(struct tail_check *tail_check, struct tail_check_watch *watch);
/* Something may be missing: ask as soon as possible. */
void tail_check_check(struct tail_check *tail_check, struct tail_check_watch *watch);
void tail_check_hurry(struct tail_check *tail_check, bool is_hurried);

#endif
