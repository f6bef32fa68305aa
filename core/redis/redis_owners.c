/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_owners.h"

#include <stdio.h>

#include "redis/redis_internal.h"
#include "redis/redis_node.h"
#include "redis/redis_request.h"
#include "redis/redis_verdict.h"

static void own(struct redis *redis, unsigned slot, struct redis_node *node) {
    if (redis->owners[slot] == node) return;
    redis->owners[slot] = node;
    redis->moved = true;
}

void redis_owners_set(struct redis *redis, const struct slot_range *ranges, size_t len) {
    LIST_EACH(&redis->nodes, link) CONTAINER(link, struct redis_node, link)->primary = false;
    unsigned covered[REDIS_SLOTS / 32] = {0};
    for (size_t i = 0; i < len; i++) {
        ranges[i].node->primary = true;
        redis_node_lane(ranges[i].node, LANE_COMMANDS);
        for (unsigned slot = ranges[i].first; slot <= ranges[i].last; slot++) {
            covered[slot / 32] |= 1U << slot % 32;
            own(redis, slot, ranges[i].node);
        }
    }
    for (unsigned slot = 0; slot < REDIS_SLOTS; slot++)
        if (!(covered[slot / 32] & 1U << slot % 32)) own(redis, slot, NULL);
    redis_changed(redis);
}

void redis_owners_move(struct redis *redis, unsigned slot, struct redis_node *node) {
    node->primary = true;
    redis_node_lane(node, LANE_COMMANDS);
    own(redis, slot, node);
    redis_changed(redis);
}

static struct redis_node *any_primary(const struct redis *redis) {
    struct redis_node *any = NULL;
    LIST_EACH(&redis->nodes, link) {
        struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (!node->primary) continue;
        if (redis_node_ready(node)) return node;
        if (!any) any = node;
    }
    return any;
}

struct redis_node *redis_owners_find(const struct redis *redis, unsigned slot) {
    return slot == ANY_SLOT ? any_primary(redis) : redis->owners[slot];
}

struct redis_node *redis_owners_redirected(struct redis *redis, const char *asked, struct slice error,
                                           unsigned *slot_r) {
    struct slice address;
    if (!verdict_target(error, slot_r, &address)) return NULL;
    if (address.ptr[0] != ':') return redis_node_at(redis, address);
    struct buffer whole = {0};
    buffer_append(&whole, asked, (size_t)(strrchr(asked, ':') - asked));
    buffer_append_slice(&whole, address);
    struct redis_node *node = redis_node_at(redis, buffer_slice(&whole));
    buffer_done(&whole);
    return node;
}

/* The smallest number whose slot the node owns. With N servers, roughly the first few times N numbers suffice. */
static void tag_of(const struct redis *redis, const struct redis_node *node, void (*fn)(void *owner, struct slice tag),
                   void *owner) {
    for (unsigned number = 0; number < 8 * REDIS_SLOTS; number++) {
        char text[16];
        struct slice tag = {text, (size_t)snprintf(text, sizeof(text), "%u", number)};
        if (redis->owners[redis_slots_of_key(tag)] != node) continue;
        fn(owner, tag);
        return;
    }
}

void redis_owners_each_tag(const struct redis *redis, void (*fn)(void *owner, struct slice tag), void *owner) {
    LIST_EACH(&redis->nodes, link) {
        const struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (node->primary) tag_of(redis, node, fn, owner);
    }
}
