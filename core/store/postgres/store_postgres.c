/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL store: turns requests into queries, by operation and by the channel's shard. Everything runs on the
 * loop. */
#include "store/postgres/store_postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "loop/resolver.h"
#include "postgres/target.h"
#include "store/postgres/epoch_floors.h"
#include "store/postgres/postgres_internal.h"
#include "store/postgres/replica.h"
#include "store/store_json.h"
#include "store/store_sound.h"

enum { QUEUE_MAX = 10000, QUEUE_BYTES_MAX = 64 << 20, HELD_REFRESH_MS = 5000, READ_DEPTH = 8 };

/* ---- completions */

static void finish(struct loop_task *task) {
    struct postgres_store *store = CONTAINER(task, struct postgres_store, pending.finish);
    for (struct list *link; (link = list_pop(&store->pending.finished));) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        store->pending.len--;
        store->pending.bytes -= request->driver.counted_bytes;
        if (request->status != STORE_OK && request->status != STORE_NOT_FOUND)
            metric_add_labelled(METRIC_STORE_ERRORS, store_status_code(request->status), 1);
        if (request->op == STORE_APPEND && request->status == STORE_OK && !request->append.duplicate_r)
            metric_add(METRIC_APPENDED, 1);
        request->done(request);
        store_request_free(&request);
    }
    if (store->closing && store->pending.len == 0) loop_stop(store->loop);
}

void postgres_complete(struct postgres_store *store, struct store_request *request, enum store_status status) {
    request->status = status;
    if (status != STORE_OK) store_request_unanswer(request);
    list_append(&store->pending.finished, &request->link);
    loop_post(store->loop, &store->pending.finish);
}

/* ---- requests */

struct shard *postgres_shard_of(struct postgres_store *store, struct slice channel_id) {
    int shard = shard_map_find(store->map, channel_id);
    return shard >= 0 && shard < (int)store->shards_len ? &store->shards[shard] : NULL;
}

static void dispatch_to_shard(struct postgres_store *store, struct store_request *request) {
    struct shard *shard = postgres_shard_of(store, request->channel_id);
    if (shard)
        appender_submit(shard->appender, request);
    else
        postgres_complete(store, request, STORE_UNAVAILABLE);
}

static void dispatch(struct postgres_store *store, struct store_request *request) {
    switch (request->op) {
        case STORE_APPEND:
        case STORE_APPENDED:
        case STORE_EVENTS:
        case STORE_MESSAGES:
        case STORE_MESSAGE:
        case STORE_CHANNEL:
            dispatch_to_shard(store, request);
            break;
        case STORE_HEADS:
            postgres_heads(store, request);
            break;
        case STORE_USER_CHANNELS:
            postgres_user_channels(store, request);
            break;
        case STORE_CHANNEL_PUT:
        case STORE_MEMBER_PUT:
        case STORE_MEMBER_DELETE:
        case STORE_MEMBER:
        case STORE_MEMBERS:
        case STORE_READ_MARK:
            postgres_channels(store, request);
            break;
        case STORE_PROBE:
            postgres_probe(store, request);
            break;
        default:
            postgres_users(store, request);
    }
}

static void submit(struct store *base, struct store_request *request) {
    struct postgres_store *store = CONTAINER(base, struct postgres_store, store);
    bool refused = store->closing || store->pending.len >= QUEUE_MAX ||
                   store->pending.bytes + request->arena_bytes > QUEUE_BYTES_MAX;
    request->driver.now_ms = (int64_t)loop_wall_ms(store->loop);
    store->pending.len++;
    request->driver.counted_bytes = request->arena_bytes;
    store->pending.bytes += request->driver.counted_bytes;
    if (refused)
        postgres_complete(store, request, STORE_UNAVAILABLE);
    else if (!store_request_sound(request))
        postgres_complete(store, request, STORE_BAD);
    else
        dispatch(store, request);
}

/* ---- which buckets hold channels */

static void free_held(struct postgres_store *store) {
    for (size_t i = 0; i < store->held.len; i++) free((void *)(uintptr_t)store->held.items[i].channel_id.ptr);
    free(store->held.items);
    store->held.items = NULL;
    store->held.len = 0;
}

static void opened(struct postgres_store *store) {
    if (store->opening.waiting > 0 && --store->opening.waiting == 0) loop_stop(store->loop);
}

/* state identifies the table's content. Usually it has not changed: then the answer is one row with nothing else in
 * it, regardless of the number of workers and buckets. */
#define HELD                                                                                                         \
    "WITH now AS MATERIALIZED (SELECT coalesce(sum(hashtextextended(h.channel_id, h.bucket * 4096::bigint + "        \
    "h.shard)), 0)::text AS state FROM shard_buckets h) SELECT now.state, b.bucket, b.shard, b.channel_id FROM now " \
    "LEFT JOIN shard_buckets b ON now.state IS DISTINCT FROM $1"
enum { HELD_STATE, HELD_BUCKET, HELD_SHARD, HELD_CHANNEL };

static void take_held(struct postgres_store *store, const struct query *query) {
    struct slice state = query_text(query, 0, 0, HELD_STATE);
    if (slice_is(state, store->held.state)) return;
    snprintf(store->held.state, sizeof store->held.state, "%.*s", SLICE_ARG(state));
    free_held(store);
    store->held.items = NEW_ARRAY(struct shard_held, query_rows(query, 0));
    for (unsigned i = 0; i < query_rows(query, 0); i++) {
        struct slice id = query_text(query, 0, i, HELD_CHANNEL);
        if (id.len == 0) continue; /* the table is empty */
        store->held.items[store->held.len++] = (struct shard_held){(unsigned)query_integer(query, 0, i, HELD_BUCKET),
                                                                   (unsigned)query_integer(query, 0, i, HELD_SHARD),
                                                                   {memory_copy(id.ptr, id.len), id.len}};
    }
    struct error error;
    if (!store->held.is_known && !shard_map_keeps(store->map, store->held.items, store->held.len, &error))
        LOG(LOG_ERROR, "store.shards_moved", LOG_TEXT("error", error.text));
    store->held.is_known = true;
}

static void held_asked(struct query *query) {
    struct postgres_store *store = query->owner;
    if (query->outcome == QUERY_OK) take_held(store, query);
    loop_timer_set(&store->held.refresh, hash_spread(&store->held.draws, HELD_REFRESH_MS));
    opened(store);
}

static void refresh_held(struct loop_timer *timer) {
    struct postgres_store *store = CONTAINER(timer, struct postgres_store, held.refresh);
    struct query *query = query_new(held_asked, store);
    parameters_add_text(query_add(query, HELD), slice_of(store->held.state));
    pool_submit(store->global.pool, &query);
}

static bool check_shards(struct store *base, const struct shard_map *map, struct error *error_r) {
    struct postgres_store *store = CONTAINER(base, struct postgres_store, store);
    if (!shard_map_fits(map, store->shards_len, error_r)) return false;
    if (!store->held.is_known)
        return true; /* the first map, and the database is down: channels are checked when they are created */
    return shard_map_keeps(map, store->held.items, store->held.len, error_r);
}

static bool part_works(const struct store *base, unsigned part) {
    const struct postgres_store *store = CONTAINER(base, struct postgres_store, store);
    return primary_works(part < store->shards_len ? &store->shards[part].primary : &store->global);
}

static void set_shards(struct store *base, struct shard_map *map) {
    struct postgres_store *store = CONTAINER(base, struct postgres_store, store);
    shard_map_unref(&store->map);
    store->map = shard_map_ref(map);
}

/* ---- opening and closing */

static void free_store(struct postgres_store *store) {
    store->closing = true;
    if (store->global.pool) pool_close(store->global.pool);
    for (size_t i = 0; i < store->shards_len; i++) shard_close(&store->shards[i]);
    while (loop_turn(store->loop)) continue; /* pending queries end, and connections are freed */
    for (size_t i = 0; i < store->shards_len; i++) shard_done(&store->shards[i]);
    epoch_floors_free(&store->floors);
    primary_done(&store->global);
    loop_timer_cancel(&store->held.refresh);
    loop_timer_cancel(&store->probes.deadline);
    while (!list_empty(&store->pending.finished)) finish(&store->pending.finish);
    loop_task_cancel(&store->pending.finish);
    resolver_free(&store->resolver);
    shard_map_unref(&store->map);
    free_held(store);
    free(store->shards);
    free(store->config);
    free(store);
}

static void waited(struct loop_timer *timer) {
    loop_stop(timer->loop);
}

/* Runs until loop_stop, at most ms. */
static void run_loop(struct postgres_store *store, unsigned ms) {
    struct loop_timer timer;
    loop_timer_init(&timer, store->loop, waited);
    loop_timer_set(&timer, ms);
    loop_run(store->loop);
    loop_timer_cancel(&timer);
}

static void close_store(struct store *base, unsigned deadline_ms) {
    struct postgres_store *store = CONTAINER(base, struct postgres_store, store);
    store->closing = true;
    if (store->pending.len > 0) run_loop(store, deadline_ms);
    free_store(store);
}

static unsigned part_of(struct store *base, struct slice channel_id) {
    const struct shard *shard = postgres_shard_of(CONTAINER(base, struct postgres_store, store), channel_id);
    return shard ? shard->number : 0;
}

static void watch_people(struct store *base, const struct store_people_watch *watch) {
    struct postgres_store *store = CONTAINER(base, struct postgres_store, store);
    store->people.watch = *watch;
    watch->moved(watch->owner, store->people.epoch);
}

static void people_opened(struct primary *global) {
    struct postgres_store *store = global->store;
    if (strcmp(store->people.epoch, global->epoch_text) == 0) return;
    memcpy(store->people.epoch, global->epoch_text, sizeof store->people.epoch);
    if (store->people.watch.moved) store->people.watch.moved(store->people.watch.owner, store->people.epoch);
}

static const struct store_ops ops = {.submit = submit,
                                     .close = close_store,
                                     .check_shards = check_shards,
                                     .set_shards = set_shards,
                                     .part_of = part_of,
                                     .part_works = part_works,
                                     .watch_people = watch_people};

/* primary: the pool's owner; NULL: a pool of a standby. */
static struct pool *make_pool(struct postgres_store *store, const char *conninfo, struct primary *primary,
                              unsigned depth, const struct store_postgres_settings *settings, struct error *error_r) {
    bool writable = primary;
    struct target *target = target_new(conninfo, writable, error_r);
    if (!target) return NULL;
    struct pool_settings pool = {
        .limits = {.min = writable ? settings->min : 0,
                   .max = writable ? settings->write_max : settings->read_max,
                   .reserve = writable ? settings->reserve : 0,
                   .depth = depth,
                   .reserve_after_ms = settings->reserve_after_ms,
                   .idle_ms = settings->idle_ms,
                   .lifetime_ms = settings->lifetime_ms},
        .proof = primary ? primary_proof(primary) : (struct pool_proof){0},
        .connect_timeout_ms = settings->connect_timeout_ms,
        .query_timeout_ms = settings->query_timeout_ms,
        .wait_ms = settings->wait_ms,
        .queue_max = QUEUE_MAX,
    };
    return pool_new(store->loop, store->resolver, &target, &pool, &store->budget);
}

static bool make_shard(struct postgres_store *store, unsigned number, const struct store_postgres_settings *settings,
                       struct error *error_r) {
    struct shard *shard = &store->shards[number];
    const struct store_postgres_shard *wanted = &settings->shards[number];
    shard_init(shard, store, number);
    shard->primary.pool = make_pool(store, wanted->write, &shard->primary, 1, settings, error_r);
    if (!shard->primary.pool) return false;
    shard->replicas = NEW_ARRAY(struct replica, wanted->read_len + 1);
    for (; shard->replicas_len < wanted->read_len; shard->replicas_len++) {
        const struct store_postgres_replica *read = &wanted->read[shard->replicas_len];
        struct pool *pool = make_pool(store, read->conninfo, NULL, READ_DEPTH, settings, error_r);
        if (!pool) return false;
        shard->replicas[shard->replicas_len] =
            (struct replica){.shard = shard, .pool = pool, .purposes = read->purposes};
    }
    if (shard->replicas_len > 0) loop_timer_set(&shard->watch, 1);
    return true;
}

static bool make_pools(struct postgres_store *store, const struct store_postgres_settings *settings,
                       struct error *error_r) {
    store->global.pool = make_pool(store, settings->global, &store->global, READ_DEPTH, settings, error_r);
    if (!store->global.pool) return false;
    for (unsigned i = 0; i < settings->shards_len; i++) {
        store->shards_len++;
        if (!make_shard(store, i, settings, error_r)) return false;
    }
    return true;
}

bool store_postgres_check(const char *conninfo, struct error *error_r) {
    struct target *target = target_new(conninfo, true, error_r);
    bool good = target;
    target_free(&target);
    return good;
}

static void floors_settled(void *owner) {
    struct postgres_store *store = owner;
    for (size_t i = 0; i < store->shards_len; i++) primary_reopen(&store->shards[i].primary);
    primary_reopen(&store->global);
}

static void floor_raised(void *owner, unsigned database) {
    struct postgres_store *store = owner;
    primary_doubt(database < store->shards_len ? &store->shards[database].primary : &store->global);
}

static const struct epoch_floors_events floors_events = {floors_settled, floor_raised};

/* Asks every database once; a shard is asked once it is known which of its epochs are over. */
static bool open_all(struct postgres_store *store, const struct store_postgres_settings *settings,
                     struct error *error_r) {
    store->opening.waiting = (unsigned)store->shards_len + 2;
    store->floors =
        epoch_floors_new(store->loop, settings->redis, settings->secret, store->shards_len + 1, &floors_events, store);
    refresh_held(&store->held.refresh);
    run_loop(store, settings->connect_timeout_ms + settings->wait_ms);
    store->opening.waiting = 0;
    if (!store->opening.refusal.text[0]) return true;
    *error_r = store->opening.refusal;
    return false;
}

struct store *store_postgres_new(struct loop *loop, const struct store_postgres_settings *settings,
                                 struct error *error_r) {
    struct postgres_store *store = NEW(struct postgres_store);
    *store = (struct postgres_store){
        .store.ops = &ops, .loop = loop, .durability = settings->durability, .gather_ms = settings->gather_ms};
    store->budget.max = settings->budget;
    store->resolver = resolver_new(loop);
    store->shards = NEW_ARRAY(struct shard, settings->shards_len);
    store->map = shard_map_new_even((unsigned)settings->shards_len);
    store->config = memory_copy(settings->config, strlen(settings->config));
    primary_init(&store->global, store, (unsigned)settings->shards_len, people_opened);
    list_init(&store->pending.finished);
    loop_task_init(&store->pending.finish, finish);
    loop_timer_init(&store->held.refresh, loop, refresh_held);
    list_init(&store->probes.askers);
    loop_timer_init(&store->probes.deadline, loop, postgres_probe_overdue);
    struct error error;
    if (make_pools(store, settings, &error) && open_all(store, settings, &error)) return &store->store;
    error_set(error_r, "%s", error.text);
    free_store(store);
    return NULL;
}
