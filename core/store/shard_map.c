/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shard_map.h"

#include <stdlib.h>

#include "base/hash.h"

unsigned shard_map_bucket(struct slice channel_id) {
    return (unsigned)(hash_fixed(channel_id) % SHARD_BUCKETS);
}

struct shard_map *shard_map_new(unsigned shards) {
    struct shard_map *map = NEW(struct shard_map);
    map->references = 1;
    map->shards = shards;
    memset(map->shard_of, 0xff, sizeof map->shard_of);
    return map;
}

struct shard_map *shard_map_new_even(unsigned shards) {
    struct shard_map *map = shard_map_new(shards);
    for (unsigned bucket = 0; bucket < SHARD_BUCKETS; bucket++)
        map->shard_of[bucket] = (int16_t)(bucket * shards / SHARD_BUCKETS);
    return map;
}

struct shard_map *shard_map_ref(struct shard_map *map) {
    map->references++;
    return map;
}

void shard_map_unref(struct shard_map **map) {
    struct shard_map *at = *map;
    *map = NULL;
    if (at && --at->references == 0) free(at);
}

bool shard_map_add(struct shard_map *map, unsigned first, unsigned last, unsigned shard, struct error *error_r) {
    if (first > last || last >= SHARD_BUCKETS) {
        error_set(error_r, "the range %u–%u is empty or beyond bucket %d", first, last, SHARD_BUCKETS - 1);
        return false;
    }
    if (shard >= map->shards) {
        error_set(error_r, "shard %u of %u", shard, map->shards);
        return false;
    }
    for (unsigned bucket = first; bucket <= last; bucket++) {
        if (map->shard_of[bucket] >= 0) {
            error_set(error_r, "bucket %u is mapped twice", bucket);
            return false;
        }
        map->shard_of[bucket] = (int16_t)shard;
    }
    return true;
}

void shard_map_set_locate(struct shard_map *map, int (*locate)(void *owner, struct slice channel_id), void *owner) {
    map->locate = locate;
    map->owner = owner;
}

void shard_map_retire(struct shard_map *map) {
    map->retired = true;
}

bool shard_map_is_total(const struct shard_map *map, struct error *error_r) {
    if (map->locate) return true; /* checked at each answer */
    for (unsigned bucket = 0; bucket < SHARD_BUCKETS; bucket++) {
        if (map->shard_of[bucket] >= 0) continue;
        error_set(error_r, "bucket %u is not mapped", bucket);
        return false;
    }
    return true;
}

bool shard_map_fits(const struct shard_map *map, size_t shards, struct error *error_r) {
    if (map->shards <= shards) return true;
    error_set(error_r, "%u shards, but postgres.shards has %zu", map->shards, shards);
    return false;
}

int shard_map_find(const struct shard_map *map, struct slice channel_id) {
    if (!map->locate) return map->shard_of[shard_map_bucket(channel_id)];
    int shard = map->retired ? -1 : map->locate(map->owner, channel_id);
    return shard >= 0 && shard < (int)map->shards ? shard : -1;
}

bool shard_map_keeps(const struct shard_map *map, const struct shard_held *held, size_t held_len,
                     struct error *error_r) {
    for (size_t i = 0; i < held_len; i++) {
        int shard = map->locate ? shard_map_find(map, held[i].channel_id) : map->shard_of[held[i].bucket];
        if (shard == (int)held[i].shard) continue;
        error_set(error_r, "bucket %u holds channels on shard %u, such as \"%.*s\", and would move to shard %d",
                  held[i].bucket, held[i].shard, SLICE_ARG(held[i].channel_id), shard);
        return false;
    }
    return true;
}
