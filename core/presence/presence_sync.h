/* SPDX-License-Identifier: Apache-2.0 */
/* presence_sync.h - presence over all workers: each tells the others whom its own connections make present.
 *
 * A worker tells, on a channel's topic, the changes of its own users, gathered for a tick and numbered: what is doubled
 * or late is dropped, and who sees that something is missing asks for the whole. Who starts to listen asks everyone.
 * Each PRESENCE_SYNC_DIGEST_MS two workers compare all that they told each other by one number: that heals what was
 * lost last, and costs the same however many channels are quiet. Nothing is kept in Redis. A worker that is gone takes
 * its users with it after a hold, in which they come back to other workers; a worker that said farewell leaves them the
 * grace. While the bus is degraded nothing changes.
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
    PRESENCE_SYNC_HOLD_MS = 1600,    /* stock clients come back within 0.5 to 1.5 s */
    PRESENCE_SYNC_DIGEST_MS = 10000, /* longer with more than 200 workers; then SILENT is longer, too */
    PRESENCE_SYNC_SILENT_MS = 35000, /* what a worker told that was not heard for so long is not so any more */
    PRESENCE_SYNC_SETTLE_MS = 150,   /* a word about a user who comes is there by then */
    PRESENCE_SYNC_WHOLE_MS = 1000    /* who begins to listen to a channel has been told the whole by then */
};

/* presence, whose settings these are, and bus outlive it. */
struct presence_sync *presence_sync_new(struct loop *loop, struct presence *presence, struct bus *bus,
                                        const struct presence_settings *settings);
void presence_sync_free(struct presence_sync **presence_sync);
void presence_sync_set(struct presence_sync *presence_sync, const struct presence_settings *settings);

/* presence_events. */
void presence_sync_moved(struct presence_sync *presence_sync, struct slice channel_id, struct slice user_id);
void presence_sync_said(struct presence_sync *presence_sync, struct slice user_id);
/* The bus has subscribed the topic: a channel's, a user's, or that of all; again after each interruption. */
void presence_sync_subscribed(struct presence_sync *presence_sync, struct slice topic);
/* Who is online in the channel is known here: it has been listened to for PRESENCE_SYNC_WHOLE_MS. */
bool presence_sync_knows(const struct presence_sync *presence_sync, struct slice channel_id);
/* The channel's topic is no longer listened to. */
void presence_sync_unfollow(struct presence_sync *presence_sync, struct slice channel_id);
/* A BUS_PRESENCE of another worker. False: it is malformed. */
bool presence_sync_take(struct presence_sync *presence_sync, struct slice topic,
                        const struct bus_message *message) MUST_CHECK;
/* That worker is dead. */
void presence_sync_gone(struct presence_sync *presence_sync, struct slice worker_id);
/* This one will end soon: its users move to others. */
void presence_sync_farewell(struct presence_sync *presence_sync);

#endif
