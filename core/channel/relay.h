/* SPDX-License-Identifier: Apache-2.0 */
/* relay.h - rooms over all workers: emits reach the members here, by the bus those of other workers, and by the adapter
 * those of Node.js servers.
 *
 * At most once; an emitter's events to one room arrive everywhere in his order. The relay listens on the bus for the
 * rooms that exist here: where nobody is in a room or may come back to it, none of its traffic goes.
 */
#ifndef CHANNEL_RELAY_H
#define CHANNEL_RELAY_H

#include "base/memory.h"
#include "base/slice.h"

struct adapter;
struct bus;
struct bus_message;
struct channel_log;
struct relay;
struct room_emit;
struct rooms;

enum { RELAY_ROOMS_MAX = 64 }; /* that an emit names; likewise those it leaves out */

/* Of what it is made outlives it. Before the first join. adapter may be NULL. */
struct relay *relay_new(struct rooms *rooms, struct channel_log *log, struct bus *bus, struct adapter *adapter);
void relay_free(struct relay **relay);
/* unfollowed is called with each channel that nobody here follows any longer. owner must outlive the relay. */
void relay_on_unfollow(struct relay *relay, void (*unfollowed)(void *owner, struct slice channel_id), void *owner);
/* except_receiver must be NULL. How many receivers of this worker. */
size_t relay_emit(struct relay *relay, const struct room_emit *emit);
/* A BUS_EMIT of another worker. False: it is malformed; nobody got anything. */
bool relay_take(struct relay *relay, struct slice topic, const struct bus_message *message) MUST_CHECK;

#endif
