/* SPDX-License-Identifier: Apache-2.0 */
/* cluster.h - the parts of the configuration that only a fleet has. Included by config.h. */
#ifndef CONFIG_CLUSTER_H
#define CONFIG_CLUSTER_H

#include <stddef.h>
#include <stdint.h>

struct config_texts {
    const char **items;
    size_t len;
};

/* NULL: not set. No nodes: no Redis. */
struct config_redis {
    const char *mode, *master, *user, *password, *secret;
    struct config_texts nodes;
    const char *socketio_adapter; /* NULL: off */
    int64_t pending_bytes, reply_bytes, command_timeout_ms, connect_timeout_ms;
};

struct config_node {
    const char *name, *region; /* NULL: not set */
};

/* Conninfo strings of libpq. */
struct config_replica {
    const char *conninfo;
    struct config_texts purposes; /* none: any read */
};
struct config_shard {
    const char *write;
    struct config_replica *read;
    size_t read_len;
};
struct config_shards {
    struct config_shard *items;
    size_t len;
};

struct config_postgres {
    const char *global; /* conninfo; NULL: not set */
    const char *durability;
    struct config_shards shards;
    int64_t gather_ms; /* -1: "auto" */
    struct {
        int64_t write, read, min, reserve, reserve_after_ms, budget;
        int64_t idle_s, lifetime_s, connect_timeout_ms, query_timeout_ms, wait_ms;
    } pool;
};

#endif
