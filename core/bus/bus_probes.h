/* SPDX-License-Identifier: Apache-2.0 */
/* bus_probes.h - sends messages to this worker itself through every server: the only proof that others' messages would
 * arrive. For bus_redis.c only.
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

/* redis, subscriber and worker_id must outlive it. */
struct bus_probes *bus_probes_new(struct redis *redis, struct subscriber *subscriber, bool is_sharded,
                                  struct slice worker_id);
void bus_probes_free(struct bus_probes **probes);
/* Call often: sends when due. If BUS_PROBES_MISSED probes in a row do not come back from a server, the subscriber
 * reconnects to it. */
void bus_probes_turn(struct bus_probes *probes, uint64_t now_ms);
/* Handles a message that is a probe. False: it is none. */
bool bus_probes_take(struct bus_probes *probes, struct slice name, struct slice payload);
/* True: BUS_PROBES_MISSED probes in a row did not come back from some server. */
bool bus_probes_missing(const struct bus_probes *probes);

#endif
