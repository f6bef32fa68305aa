/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "store/shard_map.h"
#include "store/store_driver.h"

void store_submit(struct store *store, struct store_request **owned) {
    struct store_request *request = *owned;
    *owned = NULL;
    store->ops->submit(store, request);
}

void store_close(struct store **store, unsigned deadline_ms) {
    if (!*store) return;
    (*store)->ops->close(*store, deadline_ms);
    *store = NULL;
}

unsigned store_part_of(struct store *store, struct slice channel_id) {
    return store->ops->part_of ? store->ops->part_of(store, channel_id) : 0;
}

bool store_part_works(const struct store *store, unsigned part) {
    return !store->ops->part_works || store->ops->part_works(store, part);
}

void store_watch_people(struct store *store, const struct store_people_watch *watch) {
    if (store->ops->watch_people)
        store->ops->watch_people(store, watch);
    else
        watch->moved(watch->owner, "");
}

bool store_is_damaged(const struct store *store) {
    return store->ops->is_damaged && store->ops->is_damaged(store);
}

bool store_check_shards(struct store *store, const struct shard_map *map, struct error *error_r) {
    return !store->ops->check_shards || store->ops->check_shards(store, map, error_r);
}

void store_set_shards(struct store *store, struct shard_map *map) {
    if (store->ops->set_shards) store->ops->set_shards(store, map);
}
