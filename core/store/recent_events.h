/* SPDX-License-Identifier: Apache-2.0 */
/* recent_events.h - the last events of channels in Redis: of each one range without a gap. store_cached.c only.
 *
 * A range is a sorted set, stoa:{c:CHANNEL}:e:EPOCH, of the events as the store gives them, by their number. It shows
 * the log as it was when its last event was committed: it grows by the next event only, and one that changes what came
 * before (a deletion) ends it. So whoever knows the channel's head knows whether the range is the log; nothing here has
 * to arrive for that to be so.
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
    RECENT_TTL_MS = 3600 * 1000,  /* ±10 %, from the first event on; growing does not renew it */
    RECENT_DEADLINE_MS = 300,     /* of an answer of Redis */
    RECENT_ABSENT_MS = 10000      /* so long is a channel not written to that nobody has read */
};

/* One log. */
struct recent_log {
    struct slice channel_id, epoch;
};

/* Embedded in the asker, who sets done; {0} is an idle one. */
struct recent_read {
    /* Once, later, from the loop. events: those from after + 1 on without a gap, each with a comma behind it. top: the
     * number of the last one; after: there are none. */
    void (*done)(struct recent_read *read, struct slice events, int64_t top);
    struct recent_reading *reading; /* NULL: not under way */
};

/* redis and room outlive it; without room nothing is written; room NULL: there always is. secret: events are sealed
 * with it, and others not read; NULL: none. */
struct recent_events *recent_events_new(struct loop *loop, struct redis *redis, struct redis_room *room,
                                        const char *secret);
void recent_events_free(struct recent_events **recent);
bool recent_events_usable(const struct recent_events *recent);
/* Those after up to head; what is said to be beyond it may have been lost with a primary. */
void recent_events_read(struct recent_events *recent, struct recent_read *read, const struct recent_log *log,
                        int64_t after, int64_t head);
/* done will not be called. Harmless when nothing is under way. */
void recent_events_forget(struct recent_read *read);
/* Event seq has been committed: [name, payload]. */
void recent_events_committed(struct recent_events *recent, const struct recent_log *log, int64_t seq,
                             struct slice event);
/* The log's events from after + 1 to top, as one read of the store gave them: they continue the range (none of them is
 * a deletion), or take its place unless it has got further. events: a JSON array. */
void recent_events_keep(struct recent_events *recent, const struct recent_log *log, int64_t after, int64_t top,
                        struct slice events, bool continues);

/* event: valid JSON. */
bool recent_event_deletes(struct slice event);

#endif
