/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - state that the workers of a fleet share and may lose: which workers are alive, and where users are
 * connected.
 *
 * No counter is stored: each worker reports how many connections a user has with it, valid as long as its lease, and
 * reports again when Redis has forgotten. A worker that does not renew its lease in time is gone, and its reports no
 * longer count. No machine's clock matters: time is what has passed for the workers (state_scripts.h). Drivers:
 * state_local.h, state_redis.h.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct state;

enum {
    STATE_WORKER_LEASE_MS = 6000, /* renewed after each third of it */
    STATE_USER_LEASE_MS = 90000,
    STATE_BURIED_MS = 600000, /* how long dead workers are remembered; longer than any of their leases */
    STATE_WORKER_ID_MAX = 96
};

struct state_events {
    /* That worker's lease has ended, or another process took its place. Once for each worker; never for this one. */
    void (*gone)(void *owner, struct slice worker_id);
};

/* Ends this worker's lease and its users' connections, if Redis can be reached. Pending claims are refused. */
void state_free(struct state **state);

/* Workers with a lease, this one included; at least 1. */
unsigned state_workers(const struct state *state);
/* Calls fn for each of them except this one; the id lives until fn returns. */
void state_each_other(const struct state *state, void (*fn)(void *owner, struct slice worker_id), void *owner);
/* A message of that worker has arrived. If it is unknown, it is looked up: a new worker becomes known soon after its
 * start. */
void state_note_worker(struct state *state, struct slice worker_id);
/* Is the worker known to be dead? */
bool state_is_gone(const struct state *state, struct slice worker_id);

enum state_verdict {
    STATE_CLAIMED,
    STATE_REFUSED, /* the user has the most connections allowed */
    STATE_GUESSED  /* Redis is away: only this worker's connections were counted, and they are within the limit */
};
/* Embedded in the caller, which sets done and keeps the struct until done runs. */
struct state_claim {
    /* Called once; may run within state_claim_connection. connections: the user's total, as far as known. */
    void (*done)(struct state_claim *claim, enum state_verdict verdict, unsigned connections);
};
/* Claims one more connection of the user, unless the user already has `most` (0: no limit). The limit is exact, even
 * with concurrent claims on several workers. state_release_connection ends a claimed connection. */
void state_claim_connection(struct state *state, struct state_claim *claim, struct slice user_id, unsigned most);
void state_release_connection(struct state *state, struct slice user_id);

#endif
