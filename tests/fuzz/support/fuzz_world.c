#include "support/fuzz_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "channel/log.h"
#include "config/config.h"
#include "limit/budget.h"
#include "loop/loop.h"
#include "lua/lua.h"
#include "session/hub.h"

/* TURNS: of a loop on which something is always left to do. */
enum { TURNS_MAX = 1000, ROUNDS_MAX = 1000, NAP_NS = 20000, DONE_MS = 10000 };

struct config *fuzz_config(const char *name, const char *const *sets, size_t sets_len) {
    char path[256];
    struct error error;
    snprintf(path, sizeof path, "%s/%s", FUZZ_SCRIPTS, name);
    struct config *config = lua_read_config(path, sets, sets_len, &error);
    if (!config) fprintf(stderr, "%s\n", error.text), abort();
    return config;
}

/* ---- the store ---- */

/* A request on its way through the real one: who asked. */
struct fuzz_store_wait {
    struct fuzz_world *world;
    void (*done)(struct store_request *request);
    void *owner;
};

static void hold(struct store *store, struct store_request *request) {
    struct fuzz_world *world = CONTAINER(store->ops, struct fuzz_world, ops);
    list_append(&world->asked, &request->link);
}

static void answered(struct store_request *request) {
    struct fuzz_store_wait *wait = request->owner;
    wait->world->under_way--;
    request->done = wait->done;
    request->owner = wait->owner;
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
    *wait = (struct fuzz_store_wait){world, request->done, request->owner};
    request->done = answered;
    request->owner = wait;
    world->under_way++;
    world->real->submit(world->worker.store, request);
}

static void close_store(struct store *store, unsigned deadline_ms) {
    struct fuzz_world *world = CONTAINER(store->ops, struct fuzz_world, ops);
    for (struct list *link; (link = list_pop(&world->asked));) refuse(CONTAINER(link, struct store_request, link));
    store->ops = world->real;
    store->ops->close(store, deadline_ms);
}

static void take_store(struct fuzz_world *world) {
    struct store *store = world->worker.store;
    list_init(&world->asked);
    world->real = store->ops;
    world->ops = *store->ops;
    world->ops.submit = hold;
    world->ops.close = close_store;
    store->ops = &world->ops;
}

/* ---- the world ---- */

static void ignore(void *owner, struct slice line) {
    (void)owner, (void)line;
}

bool fuzz_world_open(struct fuzz_world *world, struct config *config, struct error *error_r) {
    *world = (struct fuzz_world){.loop = loop_new_with_fake_clock()};
    log_set_sink(ignore, NULL);
    if (worker_init(&world->worker, world->loop, config, &lua_policy_source, 1, NULL, NULL, error_r)) {
        take_store(world);
        return true;
    }
    while (loop_turn(world->loop)) continue;
    loop_free(&world->loop);
    return false;
}

void fuzz_world_turn(struct fuzz_world *world) {
    for (unsigned i = 0; i < TURNS_MAX && loop_turn(world->loop); i++) continue;
}

static void wait_for_store(struct fuzz_world *world) {
    while (world->under_way > 0)
        if (!loop_turn(world->loop)) nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

void fuzz_world_settle(struct fuzz_world *world) {
    fuzz_world_turn(world);
    for (unsigned i = 0; i < ROUNDS_MAX && !list_empty(&world->asked); i++) {
        struct list now;
        list_init(&now);
        for (struct list *link; (link = list_pop(&world->asked));) list_append(&now, link);
        for (struct list *link; (link = list_pop(&now));) {
            struct store_request *request = CONTAINER(link, struct store_request, link);
            if (world->refuses)
                refuse(request);
            else
                pass_on(world, request);
        }
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
    struct upcoming *next = worker_prepare(worker, config, worker->generation + 1, &error);
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
    check(channel_log_pending(worker->log) == 0, "appends wait");
    check(budget_bytes(worker->inbound) == 0, "the inbound budget is used");
    check(budget_bytes(worker->outbound) == 0, "the outbound budget is used");
    worker_done(worker, DONE_MS);
    while (loop_turn(world->loop)) continue;
    loop_free(&world->loop);
}
