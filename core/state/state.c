/* SPDX-License-Identifier: Apache-2.0 */
#include "state/state_driver.h"

void state_free(struct state **state) {
    if (*state) (*state)->ops->free(*state);
    *state = NULL;
}

unsigned state_workers(const struct state *state) {
    return state->ops->workers(state);
}

void state_each_other(const struct state *state, void (*fn)(void *owner, struct slice worker_id), void *owner) {
    state->ops->each_other(state, fn, owner);
}

void state_note_worker(struct state *state, struct slice worker_id) {
    state->ops->note_worker(state, worker_id);
}

bool state_is_gone(const struct state *state, struct slice worker_id) {
    return state->ops->is_gone(state, worker_id);
}

void state_claim_connection(struct state *state, struct state_claim *claim, struct slice user_id, unsigned most) {
    state->ops->claim(state, claim, user_id, most);
}

void state_release_connection(struct state *state, struct slice user_id) {
    state->ops->release(state, user_id);
}
