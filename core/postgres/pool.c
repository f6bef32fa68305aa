/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres/pool.h"

#include <assert.h>
#include <stdlib.h>

#include "base/ids.h"
#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "postgres/backend.h"
#include "postgres/query.h"
#include "postgres/target.h"

enum { TICK_BUSY_MS = 50, TICK_IDLE_MS = 1000 };
/* Nothing is sent behind a query that has been waited for so long: for somebody's lock, perhaps. */
enum { HELD_UP_MS = 250 };

/* A connection's place. */
struct pool_seat {
    struct list link;
    struct pool *pool;
    struct backend *backend;
    struct query *proof; /* under way */
    bool is_proven;
    uint64_t lifetime_ms;
};

struct pool {
    struct loop *loop;
    struct resolver *resolver;
    struct target *target;
    struct pool_settings settings;
    struct pool_budget *budget;
    struct list seats, waiting, finished;
    unsigned seats_len, waiting_len;
    unsigned host; /* of the target, reached last */
    unsigned failures;
    uint64_t failed_ms; /* the first of them */
    uint64_t retry_ms;  /* no attempt before it */
    struct loop_timer tick;
    struct loop_task serve, finish;
    bool closing;
};

static uint32_t random_number(void) {
    char text[ID_SECRET_LEN + 1];
    uint32_t number;
    id_random(text, ID_SECRET_LEN);
    memcpy(&number, text, sizeof number);
    return number;
}

static const struct query *oldest(const struct pool *pool) {
    return list_empty(&pool->waiting) ? NULL : CONTAINER(pool->waiting.next, struct query, link);
}

struct pool_load pool_load(const struct pool *pool) {
    const struct query *query = oldest(pool);
    struct pool_load load = {
        .connections = pool->seats_len,
        .waiting = pool->waiting_len,
        .waited_ms = query ? loop_now_ms(pool->loop) - query->submitted_ms : 0,
        .budget = pool->budget->max - pool->budget->used,
        .is_failing = pool->failures > 0,
        .backing_off = pool->failures > 0 && loop_now_ms(pool->loop) < pool->retry_ms,
    };
    LIST_EACH(&pool->seats, link) {
        const struct backend *backend = CONTAINER(link, struct pool_seat, link)->backend;
        bool is_ready = backend_is_ready(backend);
        load.ready += is_ready;
        load.idle += is_ready && backend_in_flight(backend) == 0;
        load.connecting += !is_ready && !backend_is_doomed(backend);
    }
    return load;
}

bool pool_can_spare(const struct pool *pool) {
    struct pool_load load = pool_load(pool);
    return pool_plan_can_spare(&pool->settings.limits, &load);
}

/* Finished queries are told in a turn of their own. */

static void finish(struct loop_task *task) {
    struct pool *pool = CONTAINER(task, struct pool, finish);
    for (struct list *link; (link = list_pop(&pool->finished));) {
        struct query *query = CONTAINER(link, struct query, link);
        query->done(query);
        query_free(&query);
    }
}

static void give_back(struct pool *pool, struct query *query) {
    list_append(&pool->finished, &query->link);
    loop_post(pool->loop, &pool->finish);
}

/* Connections. */

static void start_proof(struct pool_seat *seat) {
    const struct pool_settings *settings = &seat->pool->settings;
    if (!settings->proof.ask) seat->is_proven = true;
    if (seat->is_proven || seat->proof) return;
    struct query *query = settings->proof.ask(settings->proof.owner);
    if (!query) return;
    query->due_ms = loop_now_ms(seat->pool->loop) + settings->query_timeout_ms;
    seat->proof = query;
    backend_send(seat->backend, &query);
}

static void end_proof(struct pool *pool, struct backend *backend, struct query *query) {
    const struct pool_proof *proof = &pool->settings.proof;
    if (query->outcome != QUERY_OK) backend_doom(backend, "it did not prove where it leads");
    bool is_answered = !sqlstate_dooms(query->sqlstate) && !query_is(query, QUERY_CANCELLED);
    if (query->outcome == QUERY_REFUSED && is_answered) proof->failed(proof->owner, query);
    query_free(&query);
}

static void backend_ready_now(void *owner, struct backend *backend, unsigned host) {
    struct pool_seat *seat = owner;
    struct pool *pool = seat->pool;
    pool->host = host;
    if (pool->failures > 0) LOG(LOG_INFO, "postgres.up", LOG_TEXT("target", target_name(pool->target)));
    pool->failures = 0;
    start_proof(seat);
    loop_post(pool->loop, &pool->serve);
}

static void backend_finished(void *owner, struct backend *backend, struct query *query) {
    struct pool_seat *seat = owner;
    struct pool *pool = seat->pool;
    bool is_proof = query == seat->proof;
    if (is_proof) seat->proof = NULL;
    if (is_proof) seat->is_proven = query->outcome == QUERY_OK;
    if (sqlstate_dooms(query->sqlstate)) pool_suspect(pool, query->message); /* the seat may be gone then */
    if (is_proof)
        end_proof(pool, backend, query);
    else
        give_back(pool, query);
    if (!pool->closing) loop_post(pool->loop, &pool->serve);
}

static void backend_closed(void *owner, struct backend *backend, const char *reason) {
    struct pool_seat *seat = owner;
    struct pool *pool = seat->pool;
    bool served = backend_born_ms(backend) > 0;
    list_remove(&seat->link);
    free(seat);
    pool->seats_len--;
    pool->budget->used--;
    if (pool->closing) return;
    if (!served) {
        uint64_t now = loop_now_ms(pool->loop);
        if (pool->failures == 0) pool->failed_ms = now;
        pool->retry_ms = now + pool_plan_backoff_ms(++pool->failures, random_number());
        LOG(LOG_WARNING, "postgres.down", LOG_TEXT("target", target_name(pool->target)), LOG_TEXT("reason", reason),
            LOG_NUMBER("attempts", pool->failures));
    } else {
        LOG(LOG_INFO, "postgres.closed", LOG_TEXT("target", target_name(pool->target)), LOG_TEXT("reason", reason));
    }
    loop_post(pool->loop, &pool->serve);
}

static const struct backend_events events = {backend_ready_now, backend_finished, backend_closed};

static void open_backend(struct pool *pool) {
    struct pool_seat *seat = NEW(struct pool_seat);
    seat->pool = pool;
    seat->lifetime_ms = pool_plan_lifetime_ms(pool->settings.limits.lifetime_ms, random_number());
    list_append(&pool->seats, &seat->link);
    pool->seats_len++;
    pool->budget->used++;
    seat->backend = backend_new(&(struct backend_settings){.loop = pool->loop,
                                                           .resolver = pool->resolver,
                                                           .target = pool->target,
                                                           .first_host = pool->host,
                                                           .connect_timeout_ms = pool->settings.connect_timeout_ms,
                                                           .events = &events,
                                                           .owner = seat});
}

/* Serving. */

/* The one with the fewest queries, if there is room. */
static struct backend *find_backend(struct pool *pool, const struct query *query) {
    struct backend *best = NULL;
    LIST_EACH(&pool->seats, link) {
        const struct pool_seat *seat = CONTAINER(link, struct pool_seat, link);
        struct backend *backend = seat->backend;
        if (!seat->is_proven && !query->needs_no_proof) continue;
        if (!backend_is_ready(backend) || backend_in_flight(backend) >= pool->settings.limits.depth) continue;
        if (backend_held_up_ms(backend) > HELD_UP_MS) continue;
        if (!best || backend_in_flight(backend) < backend_in_flight(best)) best = backend;
    }
    return best;
}

static uint64_t waits_until(const struct pool *pool, const struct query *query) {
    uint64_t until = query->submitted_ms + pool->settings.wait_ms;
    return query->due_ms && query->due_ms < until ? query->due_ms : until;
}

static void drop_overdue(struct pool *pool) {
    LIST_EACH(&pool->waiting, link) {
        struct query *query = CONTAINER(link, struct query, link);
        if (waits_until(pool, query) > loop_now_ms(pool->loop)) continue;
        list_remove(link);
        pool->waiting_len--;
        give_back(pool, query);
    }
}

static void send_waiting(struct pool *pool) {
    for (struct backend *backend; pool->waiting_len > 0 && (backend = find_backend(pool, oldest(pool)));) {
        struct query *query = CONTAINER(list_pop(&pool->waiting), struct query, link);
        pool->waiting_len--;
        if (!query->due_ms) query->due_ms = loop_now_ms(pool->loop) + pool->settings.query_timeout_ms;
        backend_send(backend, &query);
    }
}

static void close_old(struct pool *pool) {
    uint64_t now = loop_now_ms(pool->loop);
    LIST_EACH(&pool->seats, link) {
        struct pool_seat *seat = CONTAINER(link, struct pool_seat, link);
        if (!backend_is_ready(seat->backend) || backend_in_flight(seat->backend) > 0) continue;
        struct pool_load load = pool_load(pool);
        if (pool_plan_close(&pool->settings.limits, &load, now - backend_used_ms(seat->backend),
                            now - backend_born_ms(seat->backend), seat->lifetime_ms))
            backend_close(seat->backend, "idle or old");
    }
}

static void serve(struct loop_task *task) {
    struct pool *pool = CONTAINER(task, struct pool, serve);
    send_waiting(pool);
    drop_overdue(pool);
    struct pool_load load = pool_load(pool);
    for (unsigned n = pool_plan_open(&pool->settings.limits, &load); n > 0; n--) open_backend(pool);
    loop_timer_set(&pool->tick, pool->waiting_len ? TICK_BUSY_MS : TICK_IDLE_MS);
}

static void ticked(struct loop_timer *timer) {
    struct pool *pool = CONTAINER(timer, struct pool, tick);
    close_old(pool);
    serve(&pool->serve);
}

uint64_t pool_down_ms(const struct pool *pool) {
    LIST_EACH(&pool->seats, link) {
        if (backend_is_ready(CONTAINER(link, struct pool_seat, link)->backend)) return 0;
    }
    return pool->failures > 0 ? loop_now_ms(pool->loop) - pool->failed_ms + 1 : 0;
}

void pool_submit(struct pool *pool, struct query **owned) {
    struct query *query = *owned;
    *owned = NULL;
    query->submitted_ms = loop_now_ms(pool->loop);
    if (pool->closing || pool->waiting_len >= pool->settings.queue_max || pool_down_ms(pool) > pool->settings.wait_ms) {
        give_back(pool, query);
        return;
    }
    list_append(query->needs_no_proof ? pool->waiting.next : &pool->waiting,
                &query->link); /* before the first, or last */
    pool->waiting_len++;
    loop_flush(pool->loop, &pool->serve);
}

void pool_prove(struct pool *pool) {
    LIST_EACH(&pool->seats, link) {
        struct pool_seat *seat = CONTAINER(link, struct pool_seat, link);
        if (backend_is_ready(seat->backend)) start_proof(seat);
    }
}

void pool_renew(struct pool *pool, const char *reason) {
    LIST_EACH(&pool->seats, link) {
        struct backend *backend = CONTAINER(link, struct pool_seat, link)->backend;
        if (backend_is_ready(backend)) backend_doom(backend, reason);
    }
}

void pool_suspect(struct pool *pool, const char *reason) {
    pool->host = (pool->host + 1) % target_hosts(pool->target);
    pool_renew(pool, reason);
}

const char *pool_name(const struct pool *pool) {
    return target_name(pool->target);
}

struct pool *pool_new(struct loop *loop, struct resolver *resolver, struct target **target,
                      const struct pool_settings *settings, struct pool_budget *budget) {
    struct pool *pool = NEW(struct pool);
    *pool = (struct pool){.loop = loop, .resolver = resolver, .target = *target, .settings = *settings};
    *target = NULL;
    pool->budget = budget;
    list_init(&pool->seats);
    list_init(&pool->waiting);
    list_init(&pool->finished);
    loop_timer_init(&pool->tick, loop, ticked);
    loop_task_init(&pool->serve, serve);
    loop_task_init(&pool->finish, finish);
    loop_post(loop, &pool->serve);
    return pool;
}

void pool_close(struct pool *pool) {
    pool->closing = true;
    /* What one hands back may have said that the server is going: then others go with it. */
    while (!list_empty(&pool->seats))
        backend_close(CONTAINER(pool->seats.next, struct pool_seat, link)->backend, "the pool is closed");
    list_splice(&pool->finished, &pool->waiting);
    pool->waiting_len = 0;
    loop_timer_cancel(&pool->tick);
    loop_task_cancel(&pool->serve);
    loop_post(pool->loop, &pool->finish);
}

void pool_free(struct pool **owned) {
    struct pool *pool = *owned;
    if (!pool) return;
    assert(pool->closing && list_empty(&pool->finished));
    loop_task_cancel(&pool->serve);
    loop_task_cancel(&pool->finish);
    target_free(&pool->target);
    free(pool);
    *owned = NULL;
}
