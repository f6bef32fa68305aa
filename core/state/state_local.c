/* SPDX-License-Identifier: Apache-2.0 */
#include "state/state_local.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "state/state_driver.h"

struct local_holder {
    unsigned connections;
    size_t id_len;
    char id[];
};
struct state_local {
    struct state base;
    struct map *holders;
};

static struct state_local *local_of(struct state *state) {
    return CONTAINER(state, struct state_local, base);
}

static struct local_holder *holder_new(struct map *holders, struct slice user_id) {
    struct local_holder *holder = memory_new(sizeof *holder + user_id.len);
    holder->id_len = user_id.len;
    memcpy(holder->id, user_id.ptr, user_id.len);
    map_put(holders, (struct slice){holder->id, holder->id_len}, holder);
    return holder;
}

static void local_claim(struct state *state, struct state_claim *claim, struct slice user_id, unsigned most) {
    struct map *holders = local_of(state)->holders;
    struct local_holder *holder = map_find(holders, user_id);
    if (holder && most > 0 && holder->connections >= most) {
        claim->done(claim, STATE_REFUSED, holder->connections);
        return;
    }
    if (!holder) holder = holder_new(holders, user_id);
    claim->done(claim, STATE_CLAIMED, ++holder->connections);
}

static void local_release(struct state *state, struct slice user_id) {
    struct map *holders = local_of(state)->holders;
    struct local_holder *holder = map_find(holders, user_id);
    if (!holder || --holder->connections > 0) return;
    map_remove(holders, user_id);
    free(holder);
}

static unsigned local_workers(const struct state *state) {
    return 1;
}

static void local_each_other(const struct state *state, void (*fn)(void *, struct slice), void *owner) {}

static void local_note_worker(struct state *state, struct slice worker_id) {}

static bool local_is_gone(const struct state *state, struct slice worker_id) {
    return false;
}

static void local_free(struct state *state) {
    struct state_local *local = local_of(state);
    size_t cursor = 0;
    for (struct local_holder *holder; (holder = map_next(local->holders, &cursor));) free(holder);
    map_free(&local->holders);
    free(local);
}

static const struct state_ops local_ops = {
    .free = local_free,
    .workers = local_workers,
    .each_other = local_each_other,
    .note_worker = local_note_worker,
    .is_gone = local_is_gone,
    .claim = local_claim,
    .release = local_release,
};

struct state *state_local_new(struct loop *loop) {
    struct state_local *local = NEW(struct state_local);
    local->base.ops = &local_ops;
    local->holders = map_new();
    return &local->base;
}
