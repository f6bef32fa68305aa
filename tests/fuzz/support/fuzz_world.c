/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fuzz_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "cache/shared_cache.h"
#include "channel/log.h"
#include "config/config.h"
#include "inside/inside.h"
#include "limit/memory_budget.h"
#include "loop/loop.h"
#include "lua/config_reader.h"
#include "lua/script_policy.h"
#include "redis/redis_room.h"
#include "session/hub.h"
#include "store/store_cached.h"
#include "support/fuzz_redis.h"
#include "worker/fleet.h"
#include "worker/worker.h"

/* TURNS: of a loop on which something is always left to do. */
enum { TURNS_MAX = 1000, ROUNDS_MAX = 1000, NAP_NS = 20000, DONE_MS = 10000 };

struct config *fuzz_config(const char *name, const char *const *sets, size_t sets_len) {
    char path[256];
    struct error error;
    snprintf(path, sizeof path, "%s/%s", FUZZ_SCRIPTS, name);
    struct config *config = config_reader_read(path, sets, sets_len, &error);
    if (!config) fprintf(stderr, "%s\n", error.text), abort();
    return config;
}

/* ---- the store ---- */

/* A request on its way through the real one: who asked. */
struct fuzz_store_wait {
    struct fuzz_world *world;
    void (*done)(struct store_request *request);
    void *owner;
    enum fuzz_part part;
};

static unsigned part_of(struct store *store, struct slice channel_id) {
    return channel_id.len % FUZZ_SHARDS;
}

static enum fuzz_part part_asked(const struct fuzz_world *world, const struct store_request *request) {
    struct slice id = request->channel_id;
    return world->parts[id.len > 0 ? part_of(NULL, id) : FUZZ_GLOBAL];
}

static void hold(struct store *below, struct store_request *request) {
    list_append(&CONTAINER(below, struct fuzz_world, below)->asked, &request->link);
}

static void enter(struct store *store, struct store_request *request) {
    struct fuzz_world *world = CONTAINER(store->ops, struct fuzz_world, ops);
    store_submit(world->cached ? world->cached : &world->below, &request);
}

/* What is gathered from all shards lacks what those that are away hold. */
static bool lacks_some(const struct fuzz_world *world, const struct store_request *request) {
    bool is_gathered = request->op == STORE_HEADS || request->op == STORE_USER_CHANNELS;
    return is_gathered && request->status == STORE_OK && (world->parts[0] || world->parts[1]);
}

static void forget_all(struct store_request *request) {
    size_t len;
    buffer_clear(&request->json);
    if (request->op == STORE_USER_CHANNELS) {
        buffer_append_str(&request->json, "[]");
        return;
    }
    struct store_head *heads = store_heads(request, &len);
    for (size_t i = 0; i < len; i++) heads[i].at.seq = -1;
}

static void answered(struct store_request *request) {
    struct fuzz_store_wait *wait = request->owner;
    struct fuzz_world *world = wait->world;
    world->under_way--;
    request->done = wait->done;
    request->owner = wait->owner;
    if (wait->part == PART_UNSURE) {
        request->status = STORE_UNAVAILABLE;
        buffer_clear(&request->json);
    } else if (lacks_some(world, request)) {
        request->partial_r = true;
        forget_all(request);
    }
    free(wait);
    request->done(request);
}

static void refuse(struct store_request *request) {
    request->status = STORE_UNAVAILABLE;
    request->done(request);
    store_request_free(&request);
}

static void pass_on(struct fuzz_world *world, struct store_request *request) {
    struct fuzz_store_wait *wait = NEW(struct fuzz_store_wait);
    *wait = (struct fuzz_store_wait){world, request->done, request->owner, part_asked(world, request)};
    request->done = answered;
    request->owner = wait;
    world->under_way++;
    world->real->submit(world->worker.store, request);
}

static void close_below(struct store *below, unsigned deadline_ms) {
    struct fuzz_world *world = CONTAINER(below, struct fuzz_world, below);
    for (struct list *link; (link = list_pop(&world->asked));) refuse(CONTAINER(link, struct store_request, link));
}

static void close_store(struct store *store, unsigned deadline_ms) {
    struct fuzz_world *world = CONTAINER(store->ops, struct fuzz_world, ops);
    struct store *next = world->cached ? world->cached : &world->below;
    store_close(&next, deadline_ms);
    store->ops = world->real;
    store->ops->close(store, deadline_ms);
}

static void take_store(struct fuzz_world *world) {
    static const struct store_ops below = {.submit = hold, .close = close_below, .part_of = part_of};
    struct store *store = world->worker.store;
    list_init(&world->asked);
    world->below.ops = &below;
    world->real = store->ops;
    world->ops = *store->ops;
    world->ops.submit = enter;
    world->ops.close = close_store;
    world->ops.part_of = part_of;
    store->ops = &world->ops;
}

/* As in a worker of a fleet with PostgreSQL. */
static void cache_store(struct fuzz_world *world) {
    static const char *const caches[] = {STORE_CACHED_KEYS, SHARED_CACHE_KEYS};
    struct worker *worker = &world->worker;
    struct store *below = &world->below;
    worker->fleet.room = redis_room_new(world->loop, worker->fleet.redis, caches, sizeof caches / sizeof *caches);
    worker->caches.shared =
        shared_cache_new(world->loop, worker->fleet.redis, worker->fleet.room, NULL, &fleet_removals, worker);
    shared_cache_set_log(worker->caches.shared, "1-fuzz");
    world->cached = store_cached_new(world->loop, &below, worker->fleet.redis, worker->fleet.room, NULL);
}

/* ---- the world ---- */

static void ignore(void *owner, struct slice line) {
    (void)owner, (void)line;
}

bool fuzz_world_open(struct fuzz_world *world, struct config *config, struct error *error_r) {
    *world = (struct fuzz_world){.loop = loop_new_with_fake_clock()};
    log_set_sink(ignore, NULL);
    if (config->redis.nodes.len > 0) world->redis = fuzz_redis_new(world->loop);
    if (worker_init(&world->worker, world->loop, config, &script_policy_source, 1, NULL, NULL, error_r)) {
        take_store(world);
        if (world->redis) cache_store(world);
        return true;
    }
    fuzz_redis_free(&world->redis);
    while (loop_turn(world->loop)) continue;
    loop_free(&world->loop);
    return false;
}

void fuzz_world_turn(struct fuzz_world *world) {
    for (unsigned i = 0; i < TURNS_MAX && loop_turn(world->loop); i++) continue;
}

static void wait_for_store(struct fuzz_world *world) {
    while (world->under_way > 0)
        if (!loop_turn(world->loop)) nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL); /* threads work */
}

/* What is not of a late part. False: there is nothing. */
static bool ask_store(struct fuzz_world *world) {
    struct list now, late;
    bool some = false;
    list_init(&now);
    list_init(&late);
    list_splice(&now, &world->asked);
    for (struct list *link; (link = list_pop(&now));) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        enum fuzz_part part = world->refuses ? PART_REFUSES : part_asked(world, request);
        some |= part != PART_LATE;
        if (part == PART_LATE)
            list_append(&late, link);
        else if (part == PART_REFUSES)
            refuse(request);
        else
            pass_on(world, request);
    }
    list_splice(&late, &world->asked);
    list_splice(&world->asked, &late);
    return some;
}

void fuzz_world_settle(struct fuzz_world *world) {
    fuzz_world_turn(world);
    for (unsigned i = 0; i < ROUNDS_MAX && ask_store(world); i++) {
        wait_for_store(world);
        fuzz_world_turn(world);
    }
}

void fuzz_world_advance(struct fuzz_world *world, unsigned ms) {
    fuzz_world_settle(world);
    loop_advance(world->loop, ms);
    fuzz_world_settle(world);
}

bool fuzz_world_reload(struct fuzz_world *world, struct config *config) {
    struct worker *worker = &world->worker;
    struct error error;
    struct upcoming *next = worker_prepare(worker, config, worker->scripts.generation + 1, &error);
    if (!next) return false;
    worker_enact(worker, &next);
    return true;
}

static void check(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "all have left and time has passed, but %s\n", what);
    abort();
}

void fuzz_world_close(struct fuzz_world *world) {
    struct worker *worker = &world->worker;
    check(hub_sessions(worker->hub) == 0, "there are sessions");
    check(hub_queued_bytes(worker->hub) == 0, "bytes wait for sessions");
    check(hub_events_waiting(worker->hub) == 0, "events wait for an answer");
    check(channel_log_pending(worker->channels.log) == 0, "appends wait");
    check(budget_bytes(worker->limits.inbound) == 0, "the inbound budget is used");
    check(budget_bytes(worker->limits.outbound) == 0, "the outbound budget is used");
    worker_done(worker, DONE_MS);
    fuzz_redis_free(&world->redis);
    while (loop_turn(world->loop)) continue;
    loop_free(&world->loop);
}
