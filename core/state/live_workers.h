/* SPDX-License-Identifier: Apache-2.0 */
/* live_workers.h - knows which workers of the fleet are alive: each worker beats once a second. core/state only.
 *
 * The answer to a beat holds only changes since the last one: while nothing changes, the cost per worker does not
 * depend on the size of the fleet. While Redis is away, every worker keeps its status. A worker that an emptied Redis
 * has forgotten has the time of one lease to come back before it counts as gone.
 */
#ifndef STATE_LIVE_WORKERS_H
#define STATE_LIVE_WORKERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct loop;
struct redis;
struct live_workers;
struct state_scripts;

struct live_workers_events {
    void (*gone)(void *owner, struct slice worker_id); /* may be NULL */
    void (*unknown)(void *keeper);                     /* Redis did not know this worker */
};

/* The first beat goes out at once. gone is called with owner, unknown with keeper. */
struct live_workers *live_workers_new(struct loop *loop, struct redis *redis, const struct state_scripts *scripts,
                                      struct slice worker_id, const struct live_workers_events *events, void *owner,
                                      void *keeper);
/* Ends this worker's lease. */
void live_workers_free(struct live_workers **live_workers);
/* The number of living workers, this one included. */
unsigned live_workers_alive(const struct live_workers *live_workers);
/* Calls fn for each living worker except this one. */
void live_workers_each_alive(const struct live_workers *live_workers, void (*fn)(void *owner, struct slice worker_id),
                             void *owner);
/* A message of that worker has arrived: if the worker is unknown, the next beat comes soon, before it is due. */
void live_workers_note(struct live_workers *live_workers, struct slice worker_id);
/* The fleet's time (state_scripts.h), as far as this worker knows; 0: unknown yet. */
uint64_t live_workers_clock_ms(const struct live_workers *live_workers);
bool live_workers_is_dead(const struct live_workers *live_workers, struct slice worker_id);
/* Returns how many, at most max; the latest dead first. Borrowed until the loop's next turn. */
size_t live_workers_dead(const struct live_workers *live_workers, const char **ids, size_t max);

#endif
