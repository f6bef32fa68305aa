/* SPDX-License-Identifier: Apache-2.0 */
/* A Cluster: asks any node that answers for the slots and their primaries; configured nodes are the last resort. */
#include <stdlib.h>

#include "base/log.h"
#include "redis/redis_internal.h"
#include "redis/redis_owners.h"
#include "redis/redis_request.h"
#include "redis/redis_slots.h"

enum {
    LOOKS_APART_MS = 100,
    LOOK_EVERY_MS = 30000,
    LOOK_WHILE_DOWN_MS = 300, /* a failover is likely */
    LOOK_ANSWER_MS = 1000,
    RETRY_FIRST_MS = 50,
    RETRY_MOST_MS = 2000
};

struct redis_cluster {
    struct redis_topology topology;
    struct redis *redis;
    struct redis_call call;
    struct loop_timer timer;
    uint64_t asked_ms;
    size_t turn;       /* next node to ask */
    unsigned failures; /* consecutive questions without a valid answer */
    char *asked;       /* the address */
    bool again;        /* another look was requested during this one */
};

static void look(struct redis_topology *topology) {
    struct redis_cluster *cluster = CONTAINER(topology, struct redis_cluster, topology);
    uint64_t now_ms = loop_now_ms(cluster->redis->loop), next_ms = cluster->asked_ms + LOOKS_APART_MS;
    if (cluster->call.request) {
        cluster->again = true;
        return;
    }
    uint64_t delay_ms = next_ms > now_ms ? next_ms - now_ms : 0;
    if (!loop_timer_pending(&cluster->timer) || cluster->timer.due_ms > now_ms + delay_ms)
        loop_timer_set(&cluster->timer, delay_ms);
}

static size_t count_primaries(const struct redis *redis) {
    size_t count = 0;
    LIST_EACH(&redis->nodes, link) count += CONTAINER(link, struct redis_node, link)->primary;
    return count;
}

/* Round robin: the known primaries, then the configured nodes. */
static struct redis_node *next_to_ask(struct redis_cluster *cluster, size_t *candidates_r) {
    struct redis *redis = cluster->redis;
    size_t primaries = count_primaries(redis);
    *candidates_r = primaries + redis->settings.nodes_len;
    size_t i = cluster->turn++ % *candidates_r;
    if (i >= primaries) return redis_node_at(redis, slice_of(redis->settings.nodes[i - primaries]));
    LIST_EACH(&redis->nodes, link) {
        struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (node->primary && i-- == 0) return node;
    }
    return NULL;
}

static void ask(struct loop_timer *timer) {
    struct redis_cluster *cluster = CONTAINER(timer, struct redis_cluster, timer);
    struct redis *redis = cluster->redis;
    size_t candidates;
    struct redis_node *node = next_to_ask(cluster, &candidates);
    if (cluster->failures >= candidates && !cluster->topology.hopeless) {
        cluster->topology.hopeless = true;
        redis_changed(redis);
    }
    free(cluster->asked);
    cluster->asked = memory_copy(node->address, strlen(node->address));
    cluster->asked_ms = loop_now_ms(redis->loop);
    cluster->again = false;
    struct redis_request *request =
        redis_request_new(redis, &cluster->call, ANY_SLOT, REDIS_ARGS(SLICE("CLUSTER"), SLICE("SLOTS")));
    redis_request_pin(request, node);
    redis_request_queue(request);
}

static bool install(struct redis_cluster *cluster, const struct redis_value *reply) {
    struct redis *redis = cluster->redis;
    if (reply->type != REDIS_ARRAY || reply->items_len == 0 || reply->items_len > REDIS_SLOTS) return false;
    struct slot_range *ranges = NEW_ARRAY(struct slot_range, reply->items_len);
    struct buffer address = {0};
    bool sound = true;
    for (size_t i = 0; i < reply->items_len && sound; i++) {
        struct redis_slots_row row;
        sound = redis_slots_row(&reply->items[i], &row);
        if (!sound) break;
        buffer_clear(&address);
        redis_slots_address(&row, cluster->asked, &address);
        ranges[i] = (struct slot_range){row.first, row.last, redis_node_at(redis, buffer_slice(&address))};
        sound = ranges[i].node != NULL;
    }
    if (sound) redis_owners_set(redis, ranges, reply->items_len);
    buffer_done(&address);
    free(ranges);
    return sound;
}

static bool all_ready(const struct redis *redis) {
    LIST_EACH(&redis->nodes, link) {
        const struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (node->primary && !redis_node_ready(node)) return false;
    }
    return true;
}

static void told(struct redis_call *call, const struct redis_answer *answer) {
    struct redis_cluster *cluster = CONTAINER(call, struct redis_cluster, call);
    if (answer->status == REDIS_DONE && install(cluster, answer->value)) {
        cluster->failures = 0;
        cluster->topology.hopeless = false;
        loop_timer_set(
            &cluster->timer,
            redis_link_backoff_ms(0, all_ready(cluster->redis) ? LOOK_EVERY_MS : LOOK_WHILE_DOWN_MS, LOOK_EVERY_MS));
    } else {
        if (answer->status != REDIS_UNAVAILABLE)
            LOG(LOG_WARNING, "redis.no_slots", LOG_TEXT("node", cluster->asked),
                LOG_SLICE("error", answer->value->type == REDIS_ERROR ? answer->value->text : SLICE("not understood")));
        cluster->failures++;
        unsigned rounds =
            cluster->failures / (unsigned)(count_primaries(cluster->redis) + cluster->redis->settings.nodes_len);
        loop_timer_set(&cluster->timer, rounds ? redis_link_backoff_ms(rounds, RETRY_FIRST_MS, RETRY_MOST_MS) : 0);
    }
    if (cluster->again) look(&cluster->topology);
}

static void free_topology(struct redis_topology *topology) {
    struct redis_cluster *cluster = CONTAINER(topology, struct redis_cluster, topology);
    redis_forget(&cluster->call);
    loop_timer_cancel(&cluster->timer);
    free(cluster->asked);
    free(cluster);
}

static const struct redis_topology_ops ops = {look, free_topology};

struct redis_topology *redis_cluster_new(struct redis *redis) {
    struct redis_cluster *cluster = NEW(struct redis_cluster);
    *cluster = (struct redis_cluster){
        .topology = {.ops = &ops}, .redis = redis, .call = {.done = told, .deadline_ms = LOOK_ANSWER_MS}};
    loop_timer_init(&cluster->timer, redis->loop, ask);
    loop_timer_set(&cluster->timer, 0);
    return &cluster->topology;
}
