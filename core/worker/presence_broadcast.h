/* SPDX-License-Identifier: Apache-2.0 */
/* presence_broadcast.h - announces who came and went: sends presence:changed to the channel's members here, gossip to
 * other workers (they tell their members), and "last seen" to the store. */
#ifndef WORKER_PRESENCE_BROADCAST_H
#define WORKER_PRESENCE_BROADCAST_H

#include "presence/presence.h"

struct presence_broadcast;
struct worker;

struct presence_broadcast *presence_broadcast_new(struct worker *worker);
/* Writes pending "last seen" times to the store. */
void presence_broadcast_free(struct presence_broadcast **presence_broadcast);

/* Their owner is a struct worker. */
extern const struct presence_events announce_events;

#endif
