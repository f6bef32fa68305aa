/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_node.h"

#include <assert.h>
#include <stdlib.h>

#include "base/metrics.h"
#include "redis/redis_internal.h"
#include "redis/redis_request.h"
#include "redis/resp.h"

static struct redis_lane *lane_of(struct redis_link *link) {
    return CONTAINER(link, struct redis_lane, link);
}

static void lane_ready(struct redis_link *link) {
    lane_of(link)->leaving = false;
    redis_changed(lane_of(link)->node->redis);
}

static void lane_reply(struct redis_link *link, const struct redis_value *value) {
    struct redis_lane *lane = lane_of(link);
    struct redis_node *node = lane->node;
    struct list *first = list_pop(&lane->sent);
    if (!first) {
        redis_link_hang_up(link, "a reply to nothing");
        return;
    }
    struct redis_request *request = CONTAINER(first, struct redis_request, link);
    if (request->is_role && !resp_is(resp_item(value, 0), "master")) redis_node_leave(node);
    redis_request_reply(request, node, value);
    if (lane->leaving && list_empty(&lane->sent)) redis_link_hang_up(link, "no primary any more");
    if (!node->primary && list_empty(&lane->sent)) redis_changed(node->redis);
}

/* If the server must be a primary, the command checks that (ROLE). */
static void lane_idle(struct redis_link *link) {
    struct redis *redis = lane_of(link)->node->redis;
    bool is_role = redis->link_settings.primary;
    struct redis_request *request =
        redis_request_new_internal(redis, REDIS_ARGS(is_role ? SLICE("ROLE") : SLICE("PING")));
    request->is_role = is_role;
    redis_lane_send(lane_of(link), request);
}

static void lane_closed(struct redis_link *link, bool was_ready) {
    struct redis_lane *lane = lane_of(link);
    struct redis *redis = lane->node->redis;
    struct list lost, *at;
    list_init(&lost);
    list_splice(&lost, &lane->sent);
    while ((at = list_pop(&lost))) {
        struct redis_request *request = CONTAINER(at, struct redis_request, link);
        redis_request_lost(request, request->end <= link->sent_bytes);
    }
    redis_changed(redis);
    redis_look(redis);
}

static const struct redis_link_events lane_events = {lane_ready, lane_reply, lane_idle, lane_closed};

bool redis_lane_ready(const struct redis_lane *lane) {
    return lane->link.state == LINK_READY && !lane->leaving;
}

bool redis_lane_away(const struct redis_lane *lane) {
    return lane->link.failures > 0;
}

void redis_lane_send(struct redis_lane *lane, struct redis_request *request) {
    redis_link_write(&lane->link, buffer_slice(&request->bytes));
    request->end = lane->link.queued_bytes;
    request->state = REQUEST_SENT;
    list_remove(&request->link);
    list_append(&lane->sent, &request->link);
    metric_add(METRIC_REDIS_COMMANDS, 1);
}

static struct redis_node *find(const struct redis *redis, struct slice address) {
    LIST_EACH(&redis->nodes, link) {
        struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (slice_is(address, node->address)) return node;
    }
    return NULL;
}

struct redis_node *redis_node_at(struct redis *redis, struct slice address) {
    char *host;
    uint16_t port;
    struct redis_node *node = find(redis, address);
    if (node || !redis_address_split(address, &host, &port)) return node;
    free(host);
    node = NEW(struct redis_node);
    *node = (struct redis_node){.redis = redis, .address = memory_copy(address.ptr, address.len)};
    list_append(&redis->nodes, &node->link);
    return node;
}

struct redis_lane *redis_node_lane(struct redis_node *node, enum lane_kind kind) {
    struct redis *redis = node->redis;
    if (node->lanes[kind]) return node->lanes[kind];
    struct redis_lane *lane = node->lanes[kind] = NEW(struct redis_lane);
    lane->node = node;
    list_init(&lane->sent);
    redis_link_init(&lane->link, redis->loop, redis->resolver, node->address, &redis->link_settings, &lane_events);
    redis_link_start(&lane->link);
    return lane;
}

bool redis_node_ready(const struct redis_node *node) {
    return node->lanes[LANE_COMMANDS] && redis_lane_ready(node->lanes[LANE_COMMANDS]);
}

void redis_node_leave(struct redis_node *node) {
    for (int kind = 0; kind < LANES; kind++) {
        struct redis_lane *lane = node->lanes[kind];
        if (!lane || lane->link.state != LINK_READY) continue;
        lane->leaving = true;
        if (list_empty(&lane->sent)) redis_link_hang_up(&lane->link, "no primary any more");
    }
}

bool redis_node_idle(const struct redis_node *node) {
    for (int kind = 0; kind < LANES; kind++)
        if (node->lanes[kind] && !list_empty(&node->lanes[kind]->sent)) return false;
    return !node->primary && node->pins == 0;
}

void redis_node_free(struct redis_node **owner) {
    struct redis_node *node = *owner;
    for (int kind = 0; kind < LANES; kind++) {
        if (!node->lanes[kind]) continue;
        LIST_EACH(&node->lanes[kind]->sent, link) redis_request_free(CONTAINER(link, struct redis_request, link));
        redis_link_done(&node->lanes[kind]->link);
        free(node->lanes[kind]);
    }
    list_remove(&node->link);
    free(node->address);
    free(node);
    *owner = NULL;
}
