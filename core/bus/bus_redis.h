/* SPDX-License-Identifier: Apache-2.0 */
/* bus_redis.h - the bus between workers, over Redis publish/subscribe. */
#ifndef BUS_BUS_REDIS_H
#define BUS_BUS_REDIS_H

struct bus;
struct bus_events;
struct bus_settings;
struct loop;
struct redis;

/* redis and events must outlive the bus. */
struct bus *bus_redis_new(struct loop *loop, struct redis *redis, const struct bus_settings *settings,
                          const struct bus_events *events, void *owner);

#endif
