/* SPDX-License-Identifier: Apache-2.0 */
/* tail_check.h - finds lost tails: how far channels have been heard of, compared with how far the store says they are.
 *
 * What is lost in the middle shows by the next event's number; what is lost at the end shows only here. A channel that
 * was quiet for a second is asked about; one that has been quiet for long, less often when there are many such. Each
 * query asks for up to STORE_HEADS_MAX channels. Each part of the store (a shard) has its own queries, few at a time,
 * and its own pauses: one that is slow or away delays nothing that is elsewhere.
 */
#ifndef CHANNEL_TAIL_CHECK_H
#define CHANNEL_TAIL_CHECK_H

#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

struct tail_check;
struct loop;
struct store;

/* After it without an event a channel is idle: heads of all idle ones are asked in turn, a query each
 * TAIL_CHECK_ACTIVE_MS, but for each channel at least once in TAIL_CHECK_IDLE_MS. HURRIED: in the place of ACTIVE while
 * the bus is degraded. */
enum {
    TAIL_CHECK_ACTIVE_MS = 1000,
    TAIL_CHECK_HURRIED_MS = 250,
    TAIL_CHECK_IDLE_MS = 10000,
    TAIL_CHECK_IDLE_AFTER_MS = 30000
};
/* After a query that failed its part is left alone, longer each time; what was asked for is due then. A tenth more or
 * less. */
enum { TAIL_CHECK_RETRY_MS = 100, TAIL_CHECK_RETRY_MOST_MS = 800 };

/* A channel; embedded in its cursor. */
struct tail_check_watch {
    struct list link;
    struct slice channel_id; /* borrowed: the owner's */
    struct heads_part *part;
    uint64_t checked_ms, moved_ms;
    uint64_t query;       /* that asks about it, 0: none, or it has been heard of since */
    bool is_idle, is_due; /* due: at once */
};

/* found: the store's answer for a channel, which may be watched no more. */
struct tail_check *tail_check_new(struct loop *loop, struct store *store,
                                  void (*found)(void *owner, struct slice channel_id, int64_t seq, struct slice epoch),
                                  void *owner);
/* No watch is left. */
void tail_check_free(struct tail_check **tail_check);
/* Its head is known now. */
void tail_check_add(struct tail_check *tail_check, struct tail_check_watch *watch, struct slice channel_id);
void tail_check_remove(struct tail_check *tail_check, struct tail_check_watch *watch);
/* An event was heard: nothing up to it can be missing unnoticed. */
void tail_check_moved(struct tail_check *tail_check, struct tail_check_watch *watch);
/* Something may be missing: ask as soon as possible. */
void tail_check_check(struct tail_check *tail_check, struct tail_check_watch *watch);
void tail_check_hurry(struct tail_check *tail_check, bool is_hurried);

#endif
