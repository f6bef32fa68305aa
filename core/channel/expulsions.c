/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/expulsions.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "loop/loop.h"

struct expulsion {
    uint64_t who; /* a hash of the user and the channel; 0: none */
    uint64_t number, at_ms;
};

struct expulsions {
    struct loop *loop;
    struct expulsion ring[EXPULSIONS_MAX];
    unsigned next; /* the oldest */
};

struct expulsions *expulsions_new(struct loop *loop) {
    struct expulsions *expulsions = NEW(struct expulsions);
    expulsions->loop = loop;
    return expulsions;
}

void expulsions_free(struct expulsions **expulsions) {
    free(*expulsions);
    *expulsions = NULL;
}

static uint64_t hash_of(struct slice user_id, struct slice channel_id) {
    uint64_t hash = hash_keyed(hash_local(user_id), 0, channel_id);
    return hash ? hash : 1;
}

static bool is_kept(const struct expulsions *expulsions, unsigned index) {
    const struct expulsion *expulsion = &expulsions->ring[index];
    return expulsion->who && loop_now_ms(expulsions->loop) - expulsion->at_ms < EXPULSIONS_KEPT_MS;
}

/* A repeated report restarts the time: repeats may go on for longer than it. */
static bool is_known(struct expulsions *expulsions, uint64_t who, uint64_t number) {
    for (unsigned i = 0; i < EXPULSIONS_MAX; i++) {
        struct expulsion *expulsion = &expulsions->ring[i];
        if (expulsion->who != who || expulsion->number != number) continue;
        expulsion->at_ms = loop_now_ms(expulsions->loop);
        return true;
    }
    return false;
}

bool expulsions_note(struct expulsions *expulsions, struct slice user_id, struct slice channel_id, uint64_t number) {
    uint64_t who = hash_of(user_id, channel_id);
    if (is_known(expulsions, who, number)) return false;
    expulsions->ring[expulsions->next] = (struct expulsion){who, number, loop_now_ms(expulsions->loop)};
    expulsions->next = (expulsions->next + 1) % EXPULSIONS_MAX;
    return true;
}

bool expulsions_has(const struct expulsions *expulsions, struct slice user_id, struct slice channel_id) {
    uint64_t who = hash_of(user_id, channel_id);
    if (is_kept(expulsions, expulsions->next)) return true; /* others may have been forgotten */
    for (unsigned i = 0; i < EXPULSIONS_MAX; i++)
        if (expulsions->ring[i].who == who && is_kept(expulsions, i)) return true;
    return false;
}
