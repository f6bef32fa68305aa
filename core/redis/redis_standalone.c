#include <stdlib.h>

#include "redis/redis_internal.h"

static void look(struct redis_topology *topology) {
    (void)topology; /* there is nobody else to ask */
}

static void free_topology(struct redis_topology *topology) {
    free(topology);
}

static const struct redis_topology_ops ops = {look, free_topology};

struct redis_topology *redis_standalone_new(struct redis *redis) {
    struct redis_topology *topology = NEW(struct redis_topology);
    topology->ops = &ops;
    struct redis_node *node = redis_node_at(redis, slice_of(redis->settings.nodes[0]));
    redis_owners_set(redis, &(struct slot_range){0, REDIS_SLOTS - 1, node}, 1);
    return topology;
}
