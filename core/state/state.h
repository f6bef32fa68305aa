/* SPDX-License-Identifier: Apache-2.0 */
/* state.h - what the workers of a fleet hold in common and may lose: who of them is alive, who is connected where.
 *
 * No counter is kept anywhere: each worker says how many connections a user has with it, for as long as its lease
 * runs, and says so again when Redis has forgotten. A worker that does not renew its lease in time is gone: what it
 * said counts no more. No machine's clock decides: time is what has passed for the workers (state_scripts.h). Drivers:
 * state_local.h, state_redis.h.
 */
#ifndef STATE_STATE_H
#define STATE_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct state;

enum {
    STATE_WORKER_LEASE_MS = 6000, /* renewed each third of it */
    STATE_USER_LEASE_MS = 90000,
    STATE_BURIED_MS = 600000, /* the dead are remembered so long: longer than any lease of theirs */
    STATE_WORKER_ID_MAX = 96
};

struct state_events {
    /* Its lease has ended, or another process took its place. Once for each; not for this worker itself. */
    void (*gone)(void *owner, struct slice worker_id);
};

/* Gives up this worker's lease and its users, as far as Redis still hears. Claims under way are refused. */
void state_free(struct state **state);

/* Workers with a lease, this one included; at least 1. */
unsigned state_workers(const struct state *state);
/* fn for each of them but this one; the id lives until it returns. */
void state_each_other(const struct state *state, void (*fn)(void *owner, struct slice worker_id), void *owner);
/* That worker was heard. One that is not known yet is looked for: it is known a moment after it began. */
void state_note_worker(struct state *state, struct slice worker_id);
/* Is the worker known to be dead? */
bool state_is_gone(const struct state *state, struct slice worker_id);

enum state_verdict {
    STATE_CLAIMED,
    STATE_REFUSED, /* the user has as many as he may */
    STATE_GUESSED  /* Redis is away: this worker's own connections were counted, and are not too many */
};
/* Embedded in the asker, who sets done and keeps it until then. */
struct state_claim {
    /* Once; may run within state_claim_connection. connections: of the user, in all, as far as known. */
    void (*done)(struct state_claim *claim, enum state_verdict verdict, unsigned connections);
};
/* One connection more of the user, unless he has most already (0: no bound). Of many at once over all workers, exactly
 * as many are claimed as may be. What is claimed ends with state_release_connection. */
void state_claim_connection(struct state *state, struct state_claim *claim, struct slice user_id, unsigned most);
void state_release_connection(struct state *state, struct slice user_id);

#endif
