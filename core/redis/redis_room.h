/* SPDX-License-Identifier: Apache-2.0 */
/* redis_room.h - limits the memory in Redis that caches (data that may be lost) use.
 *
 * The server evicts nothing (docs/redis.md). So caches fill at most three quarters of each server's maxmemory: writers
 * share the free space that the last look found; without free space they write nothing. Then the least recently used
 * cache entries of a sample are deleted until there is space. The remaining quarter is for required data: leases,
 * limits, floors. Without maxmemory, or without the right to read it, there is always space.
 */
#ifndef REDIS_REDIS_ROOM_H
#define REDIS_REDIS_ROOM_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct redis;
struct redis_room;

enum {
    ROOM_LOOK_MS = 10000,    /* how often a server is looked at while nothing is written; … */
    ROOM_TRIM_MS = 100,      /* … while cache entries are being deleted; … */
    ROOM_WAIT_MS = 2000,     /* … while there is no space and nothing to delete; … */
    ROOM_LOOK_AGAIN_MS = 20, /* … and at most, during heavy writing */
    ROOM_ENTRY_BYTES = 128   /* overhead of an entry */
};

/* patterns: Lua patterns of cache keys. redis and patterns must outlive it. */
struct redis_room *redis_room_new(struct loop *loop, struct redis *redis, const char *const *patterns, size_t len);
void redis_room_free(struct redis_room **room);
/* May a cache write that much? True: the bytes count as written. room NULL: always true. */
bool redis_room_take(struct redis_room *room, size_t bytes);
/* True: a server's memory is full although its caches are empty. */
bool redis_room_is_full(const struct redis_room *room);

#endif
