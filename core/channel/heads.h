/* heads.h - finds lost tails: how far channels have been heard of, compared with how far the store says they are.
 *
 * What is lost in the middle shows by the next event's number; what is lost at the end shows only here. A channel that
 * was quiet for a second is asked about; one that has been quiet for long, less often when there are many such. Each
 * query asks for up to STORE_HEADS_MAX channels. Each part of the store (a shard) has its own queries, few at a time,
 * and its own pauses: one that is slow or away delays nothing that is elsewhere.
 */
#ifndef CHANNEL_HEADS_H
#define CHANNEL_HEADS_H

#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

struct heads;
struct loop;
struct store;

/* After it without an event a channel is idle: heads of all idle ones are asked in turn, a query each HEADS_ACTIVE_MS,
 * but for each channel at least once in HEADS_IDLE_MS. HURRIED: in the place of ACTIVE while the bus is degraded. */
enum { HEADS_ACTIVE_MS = 1000, HEADS_HURRIED_MS = 250, HEADS_IDLE_MS = 10000, HEADS_IDLE_AFTER_MS = 30000 };
/* After a query that failed its part is left alone, longer each time; what was asked for is due then. A tenth more or
 * less. */
enum { HEADS_RETRY_MS = 100, HEADS_RETRY_MOST_MS = 800 };

/* A channel; embedded in its cursor. */
struct heads_watch {
    struct list link;
    struct slice channel_id; /* borrowed: the owner's */
    struct heads_part *part;
    uint64_t checked_ms, moved_ms;
    uint64_t query;       /* that asks about it, 0: none, or it has been heard of since */
    bool is_idle, is_due; /* due: at once */
};

/* found: the store's answer for a channel, which may be watched no more. */
struct heads *heads_new(struct loop *loop, struct store *store,
                        void (*found)(void *owner, struct slice channel_id, int64_t seq, struct slice epoch),
                        void *owner);
/* No watch is left. */
void heads_free(struct heads **heads);
/* Its head is known now. */
void heads_add(struct heads *heads, struct heads_watch *watch, struct slice channel_id);
void heads_remove(struct heads *heads, struct heads_watch *watch);
/* An event was heard: nothing up to it can be missing unnoticed. */
void heads_moved(struct heads *heads, struct heads_watch *watch);
/* Something may be missing: ask as soon as possible. */
void heads_check(struct heads *heads, struct heads_watch *watch);
void heads_hurry(struct heads *heads, bool is_hurried);

#endif
