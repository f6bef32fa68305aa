/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "redis/redis_internal.h"
#include "redis/redis_owners.h"
#include "redis/redis_request.h"

enum { MIB = 1048576 };

static char *copy_text(const char *text) {
    return text ? memory_copy(text, strlen(text)) : NULL;
}

static void copy_settings(struct redis_settings *to, const struct redis_settings *from) {
    *to = *from;
    const char **nodes = NEW_ARRAY(const char *, from->nodes_len);
    for (size_t i = 0; i < from->nodes_len; i++) nodes[i] = copy_text(from->nodes[i]);
    to->nodes = nodes;
    to->master = copy_text(from->master);
    to->user = copy_text(from->user);
    to->password = copy_text(from->password);
    if (!to->pending_bytes) to->pending_bytes = 16 * MIB;
    if (!to->reply_bytes) to->reply_bytes = 64 * MIB;
    if (!to->deadline_ms) to->deadline_ms = 1000;
    if (!to->connect_ms) to->connect_ms = 2000;
}

static void free_settings(struct redis_settings *settings) {
    for (size_t i = 0; i < settings->nodes_len; i++) free((char *)settings->nodes[i]);
    free((void *)settings->nodes);
    free((char *)settings->master);
    free((char *)settings->user);
    free((char *)settings->password);
}

/* Sends what waits, or leaves it waiting. Requests added by callbacks meanwhile are for the next round. */
static void route(struct loop_task *task) {
    struct redis *redis = CONTAINER(task, struct redis, route);
    struct list batch, *at;
    list_init(&batch);
    list_splice(&batch, &redis->queue);
    while ((at = list_pop(&batch))) redis_request_route(CONTAINER(at, struct redis_request, link));
}

static void free_idle_nodes(struct redis *redis) {
    LIST_EACH(&redis->nodes, link) {
        struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (redis_node_idle(node)) redis_node_free(&node);
    }
}

static bool all_ready(const struct redis *redis) {
    bool any = false;
    LIST_EACH(&redis->nodes, link) {
        const struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (node->primary && !redis_node_ready(node)) return false;
        any |= node->primary;
    }
    return any;
}

static void review(struct loop_task *task) {
    struct redis *redis = CONTAINER(task, struct redis, review);
    free_idle_nodes(redis);
    bool moved = redis->moved;
    redis->moved = false;
    LIST_EACH(&redis->watches, link) {
        struct redis_watch *watch = CONTAINER(link, struct redis_watch, link);
        if (moved) watch->moved(watch);
    }
    bool up = all_ready(redis);
    if (up == redis->up) return;
    redis->up = up;
    if (up)
        LOG(LOG_INFO, "redis.up");
    else
        LOG(LOG_WARNING, "redis.down");
    if (redis->events) redis->events->changed(redis->owner, up);
}

void redis_changed(struct redis *redis) {
    if (!list_empty(&redis->queue)) loop_flush(redis->loop, &redis->route);
    loop_reap(redis->loop, &redis->review);
}

void redis_look(struct redis *redis) {
    if (redis->topology) redis->topology->ops->look(redis->topology);
}

static void look_nowhere(struct redis_topology *topology) {
    (void)topology; /* a standalone server: no topology to look up */
}

static void free_topology(struct redis_topology *topology) {
    free(topology);
}

static const struct redis_topology_ops standalone_ops = {look_nowhere, free_topology};

static struct redis_topology *standalone_new(struct redis *redis) {
    struct redis_topology *topology = NEW(struct redis_topology);
    topology->ops = &standalone_ops;
    struct redis_node *node = redis_node_at(redis, slice_of(redis->settings.nodes[0]));
    redis_owners_set(redis, &(struct slot_range){0, REDIS_SLOTS - 1, node}, 1);
    return topology;
}

struct redis *redis_new(struct loop *loop, const struct redis_settings *settings, const struct redis_events *events,
                        void *owner) {
    static struct redis_topology *(*const new_topology[])(struct redis *) = {
        [REDIS_STANDALONE] = standalone_new,
        [REDIS_SENTINEL] = redis_sentinel_new,
        [REDIS_CLUSTER] = redis_cluster_new,
    };
    assert(settings->nodes_len > 0);
    struct redis *redis = NEW(struct redis);
    redis->loop = loop;
    redis->resolver = resolver_new(loop);
    copy_settings(&redis->settings, settings);
    redis->link_settings = (struct redis_link_settings){.user = redis->settings.user,
                                                        .password = redis->settings.password,
                                                        .connect_ms = redis->settings.connect_ms,
                                                        .reply_bytes = redis->settings.reply_bytes,
                                                        .primary = settings->mode == REDIS_SENTINEL};
    redis->events = events;
    redis->owner = owner;
    redis->owners = NEW_ARRAY(struct redis_node *, REDIS_SLOTS);
    list_init(&redis->nodes);
    list_init(&redis->watches);
    list_init(&redis->queue);
    list_init(&redis->paused);
    list_init(&redis->gatherings);
    loop_task_init(&redis->route, route);
    loop_task_init(&redis->review, review);
    redis->topology = new_topology[settings->mode](redis);
    return redis;
}

static void free_requests(struct list *requests) {
    struct list *at;
    while ((at = list_pop(requests))) redis_request_free(CONTAINER(at, struct redis_request, link));
}

void redis_free(struct redis **owner) {
    struct redis *redis = *owner;
    if (!redis) return;
    assert(list_empty(&redis->watches));
    redis->topology->ops->free(redis->topology);
    free_requests(&redis->gatherings);
    free_requests(&redis->queue);
    free_requests(&redis->paused);
    LIST_EACH(&redis->nodes, link) {
        struct redis_node *node = CONTAINER(link, struct redis_node, link);
        redis_node_free(&node);
    }
    loop_task_cancel(&redis->route);
    loop_task_cancel(&redis->review);
    resolver_free(&redis->resolver);
    free_settings(&redis->settings);
    free(redis->owners);
    free(redis);
    *owner = NULL;
}

bool redis_is_up(const struct redis *redis) {
    return redis->up;
}

void redis_command(struct redis *redis, struct redis_call *call, struct slice key, const struct slice *argv,
                   size_t argc) {
    redis_request_queue(redis_request_new(redis, call, key.ptr ? redis_slots_of_key(key) : ANY_SLOT, argv, argc));
}

void redis_script_init(struct redis_script *script, struct slice text) {
    unsigned char digest[20];
    script->text = text;
    if (!EVP_Digest(text.ptr, text.len, digest, NULL, EVP_sha1(), NULL)) abort();
    for (size_t i = 0; i < sizeof(digest); i++) snprintf(script->sha1 + 2 * i, 3, "%02x", digest[i]);
}

void redis_eval(struct redis *redis, struct redis_call *call, const struct redis_script *script,
                const struct slice *keys, size_t keys_len, const struct slice *args, size_t args_len) {
    char count[24];
    size_t argc = 3 + keys_len + args_len;
    struct slice *argv = NEW_ARRAY(struct slice, argc);
    argv[0] = SLICE("EVALSHA");
    argv[1] = (struct slice){script->sha1, sizeof(script->sha1) - 1};
    argv[2] = (struct slice){count, (size_t)snprintf(count, sizeof(count), "%zu", keys_len)};
    for (size_t i = 0; i < keys_len; i++) argv[3 + i] = keys[i];
    for (size_t i = 0; i < args_len; i++) argv[3 + keys_len + i] = args[i];
    struct redis_request *request =
        redis_request_new(redis, call, keys_len ? redis_slots_of_key(keys[0]) : ANY_SLOT, argv, argc);
    request->script = script;
    redis_request_queue(request);
    free(argv);
}

void redis_publish(struct redis *redis, struct redis_call *call, bool sharded, struct slice topic,
                   struct slice payload) {
    struct redis_request *request =
        redis_request_new(redis, call, sharded ? redis_slots_of_key(topic) : ANY_SLOT,
                          REDIS_ARGS(sharded ? SLICE("SPUBLISH") : SLICE("PUBLISH"), topic, payload));
    request->lane = LANE_PUBLISHES;
    redis_request_queue(request);
}

void redis_forget(struct redis_call *call) {
    struct redis_request *request = call->request;
    if (!request) return;
    call->request = NULL;
    request->call = NULL;
    if (request->state == REQUEST_SENT)
        request->abandoned = true;
    else
        redis_request_free(request);
}
