/* SPDX-License-Identifier: Apache-2.0 */
#include "state/state_redis.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "state/live_workers.h"
#include "state/state_driver.h"
#include "state/state_scripts.h"

/* Each user's count is reported again every TOLD_MS, at most TELL_MAX a tick; a lease outlasts two lost reports. */
enum { TOLD_MS = STATE_USER_LEASE_MS / 3, TICK_MS = 100, TELL_MAX = 1000, DEAD_MAX = 64 };

/* A user with connections to this worker, or whose last one Redis has not been told about. */
struct redis_holder {
    struct state_redis *state;
    struct list link;      /* in state->holders, longest since the last report first; or in state->changed */
    unsigned held, asking; /* granted connections; pending claims */
    uint64_t told_ms;
    size_t id_len;
    char id[];
};

struct state_redis {
    struct state base;
    struct loop *loop;
    struct redis *redis;
    struct state_scripts scripts;
    struct live_workers *live_workers;
    char worker_id[STATE_WORKER_ID_MAX + 1];
    struct map *by_id;
    struct list holders, changed; /* changed: not reported to Redis yet */
    uint64_t retell_ms;           /* counts reported before then must be reported again: Redis has forgotten them */
    struct loop_timer tick;
    struct list asking; /* pending claims */
};

struct state_asking {
    struct redis_call call;
    struct list link;
    struct state_claim *claim; /* NULL: forgotten */
    struct redis_holder *holder;
    unsigned most;
};

static struct state_redis *redis_of(struct state *state) {
    return CONTAINER(state, struct state_redis, base);
}

/* Holders. */

static struct redis_holder *holder_get(struct state_redis *state, struct slice user_id) {
    struct redis_holder *holder = map_find(state->by_id, user_id);
    if (holder) return holder;
    holder = memory_new(sizeof *holder + user_id.len);
    holder->state = state;
    holder->id_len = user_id.len;
    memcpy(holder->id, user_id.ptr, user_id.len);
    list_init(&holder->link);
    map_put(state->by_id, (struct slice){holder->id, holder->id_len}, holder);
    return holder;
}

static void holder_free(struct redis_holder *holder) {
    map_remove(holder->state->by_id, (struct slice){holder->id, holder->id_len});
    list_remove(&holder->link);
    free(holder);
}

static void holder_changed(struct redis_holder *holder) {
    list_remove(&holder->link);
    list_append(&holder->state->changed, &holder->link);
}

/* Reports how many connections the user has here. most 0: without a limit. */
static void say(struct redis_holder *holder, unsigned connections, unsigned most, struct redis_call *call) {
    struct state_redis *state = holder->state;
    const char *dead[DEAD_MAX];
    size_t dead_len = live_workers_dead(state->live_workers, dead, DEAD_MAX);
    struct state_words words = {0};
    struct slice id = {holder->id, holder->id_len};
    state_words_user_key(&words, id);
    state_words_add(&words, slice_of(state->worker_id));
    state_words_add_number(&words, connections);
    state_words_add_number(&words, most);
    state_words_add_number(&words, STATE_USER_LEASE_MS);
    state_words_add_number(&words, live_workers_clock_ms(state->live_workers));
    for (size_t i = 0; i < dead_len; i++) state_words_add(&words, slice_of(dead[i]));
    state_words_eval(&words, state->redis, call, &state->scripts, STATE_SCRIPT_CLAIM);
    list_remove(&holder->link);
    list_append(&state->holders, &holder->link);
    holder->told_ms = loop_now_ms(state->loop);
}

static void tell(struct redis_holder *holder) {
    say(holder, holder->held, 0, NULL);
    if (holder->held == 0 && holder->asking == 0) holder_free(holder);
}

static bool is_due(const struct redis_holder *holder) {
    uint64_t now_ms = loop_now_ms(holder->state->loop);
    return holder->told_ms + TOLD_MS <= now_ms || holder->told_ms < holder->state->retell_ms;
}

/* Skips a user with a pending claim: the claim's answer decides the count. */
static void tick(struct loop_timer *timer) {
    struct state_redis *state = CONTAINER(timer, struct state_redis, tick);
    unsigned told = 0;
    loop_timer_set(timer, TICK_MS);
    if (!redis_is_up(state->redis)) return;
    LIST_EACH(&state->changed, link) {
        struct redis_holder *holder = CONTAINER(link, struct redis_holder, link);
        if (told++ == TELL_MAX) return;
        if (holder->asking == 0) tell(holder);
    }
    while (told++ < TELL_MAX && !list_empty(&state->holders)) {
        struct redis_holder *oldest = CONTAINER(state->holders.next, struct redis_holder, link);
        if (!is_due(oldest)) return;
        if (oldest->asking == 0)
            tell(oldest);
        else
            holder_changed(oldest);
    }
}

/* Claims. */

static void asking_end(struct state_asking *asking) {
    asking->holder->asking--;
    list_remove(&asking->link);
    free(asking);
}

/* [1 or 0, connections with others]; without an answer only this worker's connections count. */
static enum state_verdict judge(const struct state_asking *asking, const struct redis_answer *answer,
                                unsigned *others_r) {
    const struct redis_value *value = answer->value;
    *others_r = 0;
    if (answer->status == REDIS_DONE && value->type == REDIS_ARRAY && value->items_len == 2) {
        *others_r = (unsigned)value->items[1].integer;
        return value->items[0].integer ? STATE_CLAIMED : STATE_REFUSED;
    }
    return asking->most == 0 || asking->holder->held < asking->most ? STATE_GUESSED : STATE_REFUSED;
}

static void claim_answered(struct redis_call *call, const struct redis_answer *answer) {
    struct state_asking *asking = CONTAINER(call, struct state_asking, call);
    struct redis_holder *holder = asking->holder;
    struct state_claim *claim = asking->claim;
    unsigned others;
    enum state_verdict verdict = judge(asking, answer, &others);
    if (verdict != STATE_REFUSED) holder->held++;
    if (verdict != STATE_CLAIMED) holder_changed(holder);
    unsigned connections = holder->held + others;
    asking_end(asking);
    claim->done(claim, verdict, connections);
}

static void redis_claim(struct state *base, struct state_claim *claim, struct slice user_id, unsigned most) {
    struct state_redis *state = redis_of(base);
    struct state_asking *asking = NEW(struct state_asking);
    struct redis_holder *holder = holder_get(state, user_id);
    holder->asking++;
    *asking = (struct state_asking){.call.done = claim_answered, .claim = claim, .holder = holder, .most = most};
    list_append(&state->asking, &asking->link);
    say(holder, holder->held + holder->asking, most, &asking->call);
}

static void redis_release(struct state *base, struct slice user_id) {
    struct redis_holder *holder = map_find(redis_of(base)->by_id, user_id);
    if (!holder || holder->held == 0) return;
    holder->held--;
    holder_changed(holder);
}

/* Creation and end. */

static unsigned redis_workers(const struct state *base) {
    return live_workers_alive(redis_of((struct state *)base)->live_workers);
}

static void redis_each_other(const struct state *base, void (*fn)(void *, struct slice), void *owner) {
    live_workers_each_alive(redis_of((struct state *)base)->live_workers, fn, owner);
}

static void redis_note_worker(struct state *base, struct slice worker_id) {
    live_workers_note(redis_of(base)->live_workers, worker_id);
}

static bool redis_is_gone(const struct state *base, struct slice worker_id) {
    return live_workers_is_dead(redis_of((struct state *)base)->live_workers, worker_id);
}

/* Redis does not know this worker: it was emptied, or this worker was away longer than its lease. */
static void unknown(void *owner) {
    struct state_redis *state = owner;
    state->retell_ms = loop_now_ms(state->loop);
}

static void redis_state_free(struct state *base) {
    struct state_redis *state = redis_of(base);
    loop_timer_cancel(&state->tick);
    LIST_EACH(&state->asking, link) {
        struct state_asking *asking = CONTAINER(link, struct state_asking, link);
        struct state_claim *claim = asking->claim;
        redis_forget(&asking->call);
        list_remove(link);
        free(asking);
        claim->done(claim, STATE_REFUSED, 0);
    }
    size_t cursor = 0;
    for (struct redis_holder *holder; (holder = map_next(state->by_id, &cursor));) {
        say(holder, 0, 0, NULL);
        holder_free(holder);
    }
    live_workers_free(&state->live_workers);
    map_free(&state->by_id);
    free(state);
}

static const struct state_ops redis_ops = {
    .free = redis_state_free,
    .workers = redis_workers,
    .each_other = redis_each_other,
    .note_worker = redis_note_worker,
    .is_gone = redis_is_gone,
    .claim = redis_claim,
    .release = redis_release,
};

struct state *state_redis_new(struct loop *loop, struct redis *redis, struct slice worker_id,
                              const struct state_events *events, void *owner) {
    struct state_redis *state = NEW(struct state_redis);
    state->base.ops = &redis_ops;
    state->loop = loop;
    state->redis = redis;
    memcpy(state->worker_id, worker_id.ptr, worker_id.len < STATE_WORKER_ID_MAX ? worker_id.len : STATE_WORKER_ID_MAX);
    state->by_id = map_new();
    list_init(&state->holders);
    list_init(&state->changed);
    list_init(&state->asking);
    state_scripts_init(&state->scripts);
    state->live_workers =
        live_workers_new(loop, redis, &state->scripts, slice_of(state->worker_id),
                         &(struct live_workers_events){events ? events->gone : NULL, unknown}, owner, state);
    loop_timer_init(&state->tick, loop, tick);
    loop_timer_set(&state->tick, TICK_MS);
    return &state->base;
}
