/* SPDX-License-Identifier: Apache-2.0 */
/* store_driver.h - what a driver implements. */
#ifndef STORE_STORE_DRIVER_H
#define STORE_STORE_DRIVER_H

#include "store/store.h"

struct shard_map;
struct store_ops {
    void (*submit)(struct store *store, struct store_request *request);
    /* Waits for what was submitted, then frees. What has not begun by deadline_ms runs with UNAVAILABLE. */
    void (*close)(struct store *store, unsigned deadline_ms);
    /* NULL: it has no shards. */
    bool (*check_shards)(struct store *store, const struct shard_map *map, struct error *error_r);
    void (*set_shards)(struct store *store, struct shard_map *map);
    /* Does that part (a shard; behind them the global database) take what is written, by its last probes? NULL: there
     * are no parts. */
    bool (*part_works)(const struct store *store, unsigned part);
    /* NULL: it does not know. */
    bool (*is_damaged)(const struct store *store);
    /* NULL: all is in one part. */
    unsigned (*part_of)(struct store *store, struct slice channel_id);
    /* NULL: it is the same while the process lives. */
    void (*watch_people)(struct store *store, const struct store_people_watch *watch);
};
struct store {
    const struct store_ops *ops;
};

#endif
