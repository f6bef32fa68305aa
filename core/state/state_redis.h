/* SPDX-License-Identifier: Apache-2.0 */
/* state_redis.h - the state of a fleet, in Redis. */
#ifndef STATE_STATE_REDIS_H
#define STATE_STATE_REDIS_H

#include "base/slice.h"

struct loop;
struct redis;
struct state;
struct state_events;

/* worker_id: "NODE.INDEX.INCARNATION"; registering it ends any earlier incarnation of NODE.INDEX. events may be NULL;
 * redis and events must outlive the state. */
struct state *state_redis_new(struct loop *loop, struct redis *redis, struct slice worker_id,
                              const struct state_events *events, void *owner);

#endif
