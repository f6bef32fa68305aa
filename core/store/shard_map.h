/* SPDX-License-Identifier: Apache-2.0 */
/* shard_map.h - which shard a channel lives on: its id is hashed into one of 4,096 buckets, each bucket has a shard. Or
 * a function of the operator's decides. Pure; shared by reference, since a generation of scripts makes it and the store
 * asks it.
 *
 * The hash (SipHash-2-4 with the key 0) and the number of buckets never change. Moving a bucket that holds channels is
 * the operator's work; a map under which one would have to move is refused (shard_map_keeps).
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

/* Channels of a bucket that are on a shard; one of them as a specimen. */
struct shard_held {
    unsigned bucket, shard;
    struct slice channel_id;
};

unsigned shard_map_bucket(struct slice channel_id);

/* With one reference; no bucket is mapped yet. shards: 1 to SHARDS_MAX. */
struct shard_map *shard_map_new(unsigned shards);
/* Buckets in equal ranges. */
struct shard_map *shard_map_new_even(unsigned shards);
struct shard_map *shard_map_ref(struct shard_map *map);
void shard_map_unref(struct shard_map **map);

/* First and last included. False: out of range, or mapped already. */
bool shard_map_add(struct shard_map *map, unsigned first, unsigned last, unsigned shard,
                   struct error *error_r) MUST_CHECK;
/* locate answers for every channel in place of the buckets: a shard, or -1. Not after shard_map_retire. */
void shard_map_set_locate(struct shard_map *map, int (*locate)(void *owner, struct slice channel_id), void *owner);
/* Whoever answers is about to go: from now on a located map knows no shard. */
void shard_map_retire(struct shard_map *map);
/* Is every bucket mapped, to a shard that is there? */
bool shard_map_is_total(const struct shard_map *map, struct error *error_r) MUST_CHECK;
/* -1: nowhere (a locate that fails, or has gone). */
int shard_map_find(const struct shard_map *map, struct slice channel_id);
/* Are there so many shards? */
bool shard_map_fits(const struct shard_map *map, size_t shards, struct error *error_r) MUST_CHECK;
/* Would every channel stay where it is? False: error_r names the first that would not. */
bool shard_map_keeps(const struct shard_map *map, const struct shard_held *held, size_t held_len,
                     struct error *error_r) MUST_CHECK;

#endif
