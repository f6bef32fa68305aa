/* SPDX-License-Identifier: Apache-2.0 */
/* live_workers.h - the roll of the fleet's workers, called once a second: who answers is alive. core/state only.
 *
 * It answers with what has changed since it was called last: a quiet fleet costs each worker the same, however large it
 * is. While Redis is away everyone stays what he was. A worker that an emptied Redis does not know any more has the
 * time of a lease to come back before he is gone.
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

/* Answers at once for the first time. gone is told to owner, unknown to keeper. */
struct live_workers *live_workers_new(struct loop *loop, struct redis *redis, const struct state_scripts *scripts,
                                      struct slice worker_id, const struct live_workers_events *events, void *owner,
                                      void *keeper);
/* Says farewell. */
void live_workers_free(struct live_workers **live_workers);
/* This worker included. */
unsigned live_workers_alive(const struct live_workers *live_workers);
/* But this one. */
void live_workers_each_alive(const struct live_workers *live_workers, void (*fn)(void *owner, struct slice worker_id),
                             void *owner);
/* The worker was heard: if it is a stranger the roll is called soon, before it is due. */
void live_workers_note(struct live_workers *live_workers, struct slice worker_id);
/* The fleet's time (state_scripts.h), as far as this worker knows; 0: it has not been told yet. */
uint64_t live_workers_clock_ms(const struct live_workers *live_workers);
bool live_workers_is_dead(const struct live_workers *live_workers, struct slice worker_id);
/* Borrowed until the loop's next turn; who died last first. How many, at most max. */
size_t live_workers_dead(const struct live_workers *live_workers, const char **ids, size_t max);

#endif
