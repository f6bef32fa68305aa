/* SPDX-License-Identifier: Apache-2.0 */
/* relay.h - rooms over all workers: emits reach members here directly, members on other workers over the bus, and those
 * on Node.js servers over the adapter.
 *
 * Delivery is at most once; events of one emitter to one room arrive everywhere in the order sent. The relay subscribes
 * to the rooms that exist here: a worker where nobody is in a room or may come back to it gets none of its traffic.
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

enum { RELAY_ROOMS_MAX = 64 }; /* rooms that an emit names; the same limit for excluded rooms */

/* Must be called before the first join. All arguments must outlive it. adapter may be NULL. */
struct relay *relay_new(struct rooms *rooms, struct channel_log *log, struct bus *bus, struct adapter *adapter);
void relay_free(struct relay **relay);
/* unfollowed is called with each channel that nobody here follows any longer. owner must outlive the relay. */
void relay_on_unfollow(struct relay *relay, void (*unfollowed)(void *owner, struct slice channel_id), void *owner);
/* Returns the number of receivers on this worker. except_receiver must be NULL. */
size_t relay_emit(struct relay *relay, const struct room_emit *emit);
/* A BUS_EMIT from another worker. False: it is malformed and was not delivered. */
bool relay_take(struct relay *relay, struct slice topic, const struct bus_message *message) MUST_CHECK;

#endif
