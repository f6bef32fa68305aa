/* SPDX-License-Identifier: Apache-2.0 */
/* bus_probes.h - messages to oneself through every server: the only proof that others' would arrive. bus_redis.c's own.
 */
#ifndef BUS_BUS_PROBES_H
#define BUS_BUS_PROBES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct bus_probes;
struct redis;
struct subscriber;

enum { BUS_PROBE_EVERY_MS = 1000, BUS_PROBES_MISSED = 2 };

/* redis, subscriber and worker_id outlive it. */
struct bus_probes *bus_probes_new(struct redis *redis, struct subscriber *subscriber, bool is_sharded,
                                  struct slice worker_id);
void bus_probes_free(struct bus_probes **probes);
/* Called often: sends when it is time. A server whose probes stay away, BUS_PROBES_MISSED in a row, makes the
 * subscriber reconnect. */
void bus_probes_turn(struct bus_probes *probes, uint64_t now_ms);
/* A message: false, it is none of the probes. */
bool bus_probes_take(struct bus_probes *probes, struct slice name, struct slice payload);
/* BUS_PROBES_MISSED in a row stayed away from some server. */
bool bus_probes_missing(const struct bus_probes *probes);

#endif
