/* SPDX-License-Identifier: Apache-2.0 */
/* presence_sync.h - presence over all workers: each reports to the others the users present by its own connections.
 *
 * A worker reports, on a channel's topic, the changes of its own users, collected for a tick and numbered. Doubled or
 * late reports are dropped; a worker that misses one asks for the whole list. A worker that starts to listen asks all
 * others. Each PRESENCE_SYNC_DIGEST_MS two workers compare all their reports to each other by one number: that repairs
 * a lost last report, at a cost independent of the number of quiet channels. Nothing is kept in Redis. If a worker
 * dies, its users go offline after a hold, in which they may come back to other workers. If it said farewell, they have
 * the grace instead. While the bus is degraded nothing changes.
 */
#ifndef PRESENCE_PRESENCE_SYNC_H
#define PRESENCE_PRESENCE_SYNC_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

struct bus;
struct bus_message;
struct presence_sync;
struct loop;
struct presence;
struct presence_settings;

enum {
    PRESENCE_SYNC_TICK_MS = 50,
    PRESENCE_SYNC_HOLD_MS = 1600,    /* stock clients reconnect within 0.5 to 1.5 s */
    PRESENCE_SYNC_DIGEST_MS = 10000, /* longer with more than 200 workers; then SILENT is longer too */
    PRESENCE_SYNC_SILENT_MS = 35000, /* reports of a worker that is silent for this long are dropped */
    PRESENCE_SYNC_SETTLE_MS = 150,   /* the word of a new user has arrived from other workers by then */
    PRESENCE_SYNC_WHOLE_MS = 1000    /* a worker that begins to listen to a channel has the whole list by then */
};

/* settings: those of presence. loop, presence and bus must outlive it. */
struct presence_sync *presence_sync_new(struct loop *loop, struct presence *presence, struct bus *bus,
                                        const struct presence_settings *settings);
void presence_sync_free(struct presence_sync **presence_sync);
void presence_sync_set(struct presence_sync *presence_sync, const struct presence_settings *settings);

/* presence_events. */
void presence_sync_moved(struct presence_sync *presence_sync, struct slice channel_id, struct slice user_id);
void presence_sync_said(struct presence_sync *presence_sync, struct slice user_id);
/* The bus has subscribed to the topic of a channel, of a user, or of all workers. Called again after each interruption.
 */
void presence_sync_subscribed(struct presence_sync *presence_sync, struct slice topic);
/* True: this worker has listened to the channel for PRESENCE_SYNC_WHOLE_MS, so it knows who is online there. */
bool presence_sync_knows(const struct presence_sync *presence_sync, struct slice channel_id);
/* The channel's topic is no longer listened to. */
void presence_sync_unfollow(struct presence_sync *presence_sync, struct slice channel_id);
/* A BUS_PRESENCE from another worker. False: it is malformed. */
bool presence_sync_take(struct presence_sync *presence_sync, struct slice topic,
                        const struct bus_message *message) MUST_CHECK;
/* That worker is dead. */
void presence_sync_gone(struct presence_sync *presence_sync, struct slice worker_id);
/* This worker will end soon: its users move to others. */
void presence_sync_farewell(struct presence_sync *presence_sync);

#endif
