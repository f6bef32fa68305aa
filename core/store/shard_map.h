/* SPDX-License-Identifier: Apache-2.0 */
/* shard_map.h - maps a channel to its shard: the id is hashed into one of 4,096 buckets, and each bucket has a shard.
 * The operator's own function can decide instead. Pure. Reference-counted, since a generation of scripts creates it
 * and the store uses it.
 *
 * The hash (SipHash-2-4 with key 0) and the number of buckets never change. Moving a bucket that holds channels is the
 * operator's work; shard_map_keeps refuses a map that would move one.
 */
#ifndef STORE_SHARD_MAP_H
#define STORE_SHARD_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

enum { SHARD_BUCKETS = 4096, SHARDS_MAX = 256 };

struct shard_map {
    unsigned references, shards;
    int16_t shard_of[SHARD_BUCKETS]; /* -1: not mapped */
    int (*locate)(void *owner, struct slice channel_id);
    void *owner;
    bool retired;
};

/* A bucket that has channels on a shard, and one of those channels as an example. */
struct shard_held {
    unsigned bucket, shard;
    struct slice channel_id;
};

unsigned shard_map_bucket(struct slice channel_id);

/* One reference; no bucket is mapped. shards: 1 to SHARDS_MAX. */
struct shard_map *shard_map_new(unsigned shards);
/* Maps the buckets in equal ranges. */
struct shard_map *shard_map_new_even(unsigned shards);
struct shard_map *shard_map_ref(struct shard_map *map);
void shard_map_unref(struct shard_map **map);

/* first and last are inclusive. False: out of range, or already mapped. */
bool shard_map_add(struct shard_map *map, unsigned first, unsigned last, unsigned shard,
                   struct error *error_r) MUST_CHECK;
/* locate replaces the buckets for every channel and returns a shard, or -1. It is not called after shard_map_retire. */
void shard_map_set_locate(struct shard_map *map, int (*locate)(void *owner, struct slice channel_id), void *owner);
/* The owner of locate is about to be freed: from now on a map with locate finds no shard. */
void shard_map_retire(struct shard_map *map);
/* True: every bucket is mapped to an existing shard. */
bool shard_map_is_total(const struct shard_map *map, struct error *error_r) MUST_CHECK;
/* -1: no shard (locate failed, or the map is retired). */
int shard_map_find(const struct shard_map *map, struct slice channel_id);
/* True: the store has as many shards as the map uses. */
bool shard_map_fits(const struct shard_map *map, size_t shards, struct error *error_r) MUST_CHECK;
/* True: every channel stays on its shard. False: error_r names the first that would move. */
bool shard_map_keeps(const struct shard_map *map, const struct shard_held *held, size_t held_len,
                     struct error *error_r) MUST_CHECK;

#endif
