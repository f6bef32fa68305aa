/* SPDX-License-Identifier: Apache-2.0 */
/* store_driver.h - the interface that drivers implement. NULL functions are allowed where a comment says so. */
#ifndef STORE_STORE_DRIVER_H
#define STORE_STORE_DRIVER_H

#include "store/store.h"

struct shard_map;
struct store_ops {
    void (*submit)(struct store *store, struct store_request *request);
    /* Waits for what was submitted, then frees. Requests that have not begun by deadline_ms complete with
     * UNAVAILABLE. */
    void (*close)(struct store *store, unsigned deadline_ms);
    /* NULL: the store has no shards. */
    bool (*check_shards)(struct store *store, const struct shard_map *map, struct error *error_r);
    void (*set_shards)(struct store *store, struct shard_map *map);
    /* As store_part_works. Parts: the shards, then the global database. NULL: the store has no parts. */
    bool (*part_works)(const struct store *store, unsigned part);
    /* NULL: the driver cannot tell. */
    bool (*is_damaged)(const struct store *store);
    /* NULL: the store is one part. */
    unsigned (*part_of)(struct store *store, struct slice channel_id);
    /* NULL: the log stays the same for the life of the process. */
    void (*watch_people)(struct store *store, const struct store_people_watch *watch);
};
struct store {
    const struct store_ops *ops;
};

#endif
