/* SPDX-License-Identifier: Apache-2.0 */
/* redis_room.h - room in Redis for what may be lost: caches.
 *
 * Nothing is evicted by the server (docs/redis.md). So caches fill at most three quarters of each server's maxmemory:
 * what the last look found is given out to writers, and nothing is when there is none. Then those caches go that were
 * not used for the longest time, of a sample, until there is. The rest of the memory is for what must be there:
 * leases, limits, floors. Without maxmemory, or without the right to ask for it, there is always room.
 */
#ifndef REDIS_REDIS_ROOM_H
#define REDIS_REDIS_ROOM_H

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct redis;
struct redis_room;

enum {
    ROOM_LOOK_MS = 10000,    /* a server is looked at so often while nothing is written; … */
    ROOM_TRIM_MS = 100,      /* … while caches make room; … */
    ROOM_WAIT_MS = 2000,     /* … while there is none, and no caches; … */
    ROOM_LOOK_AGAIN_MS = 20, /* … and at most, while much is written */
    ROOM_ENTRY_BYTES = 128   /* what an entry takes beside its own bytes */
};

/* patterns: Lua's, of the keys of caches. redis and they outlive it. */
struct redis_room *redis_room_new(struct loop *loop, struct redis *redis, const char *const *patterns, size_t len);
void redis_room_free(struct redis_room **room);
/* May a cache write so much? It counts as written. room NULL: always. */
bool redis_room_take(struct redis_room *room, size_t bytes);
/* A server has no memory at all: caches are gone, and something else fills it. */
bool redis_room_is_full(const struct redis_room *room);

#endif
