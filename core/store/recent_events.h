/* SPDX-License-Identifier: Apache-2.0 */
/* recent_events.h - the last events of channels, cached in Redis: one range without gaps for each channel.
 * store_cached.c only.
 *
 * A range is a sorted set, stoa:{c:CHANNEL}:e:EPOCH, of the events in the store's format, scored by their number. It
 * shows the log at the commit of its last event: only the next event extends it, and an event that changes earlier
 * ones (a deletion) ends it. So a reader that knows the channel's head can tell whether the range equals the log;
 * correctness does not depend on any message arriving here.
 */
#ifndef STORE_RECENT_EVENTS_H
#define STORE_RECENT_EVENTS_H

#include <stdint.h>

#include "base/buffer.h"

struct loop;
struct recent_events;
struct recent_reading;
struct redis;
struct redis_room;

enum {
    RECENT_EVENTS_MAX = 1000,
    RECENT_EVENT_BYTES = 8 << 10, /* a larger event is not kept: a range has at most 8 MB */
    RECENT_TTL_MS = 3600 * 1000,  /* ±10 %, counted from the first event; growing does not renew it */
    RECENT_DEADLINE_MS = 300,     /* for an answer from Redis */
    RECENT_ABSENT_MS = 10000      /* how long a channel that nobody has read is not written to */
};

struct recent_log {
    struct slice channel_id, epoch;
};

/* Embedded in the caller, which sets done; {0} is idle. */
struct recent_read {
    /* Called once, later, from the loop. events: the events from after + 1 on without a gap, each followed by a comma.
     * top: the number of the last one; equal to after if there are none. */
    void (*done)(struct recent_read *read, struct slice events, int64_t top);
    struct recent_reading *reading; /* NULL: no read is pending */
};

/* redis and room must outlive it. When room has no space, nothing is written; room NULL: space is not checked. secret:
 * events are sealed with it, and unsealed ones are not read; NULL: no sealing. */
struct recent_events *recent_events_new(struct loop *loop, struct redis *redis, struct redis_room *room,
                                        const char *secret);
void recent_events_free(struct recent_events **recent);
bool recent_events_usable(const struct recent_events *recent);
/* Reads the events after `after` up to head; events beyond head may have been lost with a primary. */
void recent_events_read(struct recent_events *recent, struct recent_read *read, const struct recent_log *log,
                        int64_t after, int64_t head);
/* done will not be called. Harmless when no read is pending. */
void recent_events_forget(struct recent_read *read);
/* Call when event seq has been committed. event: [name, payload]. */
void recent_events_committed(struct recent_events *recent, const struct recent_log *log, int64_t seq,
                             struct slice event);
/* Keeps the log's events from after + 1 to top, from one read of the store. continues: they extend the range (none of
 * them is a deletion); else they replace it, unless the range reaches further. events: a JSON array. */
void recent_events_keep(struct recent_events *recent, const struct recent_log *log, int64_t after, int64_t top,
                        struct slice events, bool continues);

/* event: valid JSON. */
bool recent_event_deletes(struct slice event);

#endif
