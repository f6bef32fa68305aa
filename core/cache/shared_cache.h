/* SPDX-License-Identifier: Apache-2.0 */
/* shared_cache.h - the second layer of a cache, in Redis: serves what a worker's own cache (cache.h) lacks.
 *
 * When several workers miss a key, one gets a lease and loads it; the others wait briefly for the result. Near the end
 * of a value's life, one caller gets the value with a lease, once, to reload it early; the others use the value. A
 * loaded value is kept only while the lease holds, and a removal ends the lease: a slow reader never brings back a
 * removed value. A removal that Redis does not confirm is repeated until it does; until then this worker reads nothing
 * from Redis. While Redis is away, every caller loads.
 *
 * A key is "NAME\nKEY", as in the worker's cache; in Redis it is stoa:x:NAME:LOG:{KEY}.
 */
#ifndef CACHE_SHARED_CACHE_H
#define CACHE_SHARED_CACHE_H

#include <stdint.h>

#include "base/slice.h"

struct loop;
struct redis;
struct redis_room;
struct shared_cache;

enum {
    SHARED_LEASE_MS = 3000,     /* for a key without a value; a load that takes longer is not kept */
    SHARED_WAIT_MS = 500,       /* how long a caller waits for another one's load */
    SHARED_DEADLINE_MS = 300,   /* for an answer from Redis */
    SHARED_VALUE_MAX = 1 << 20, /* larger values are not kept */
    SHARED_REMOVALS_MAX = 10000 /* bound of unconfirmed removals; beyond it the oldest are given up */
};

struct shared_answer {
    struct slice value; /* borrowed for the call; NULL ptr: not found, load it */
    uint64_t ttl_ms;    /* remaining life */
    uint64_t lease;     /* for shared_cache_land; 0: none. With a value: reload it, it expires soon */
};

/* Embedded in the caller, which sets done and keeps the struct until done runs. */
struct shared_fetch {
    void (*done)(struct shared_fetch *fetch,
                 const struct shared_answer *answer); /* once, later, from the loop or from shared_cache_free */
};

struct shared_events {
    /* Redis no longer has the key: tell the workers that hold it now, not earlier. */
    void (*removed)(void *owner, struct slice key);
};

/* Matches its keys in Redis; a Lua pattern. */
#define SHARED_CACHE_KEYS "^stoa:x:"

/* redis, room and events must outlive it. When room has no space, nothing is kept; room NULL: space is not checked.
 * secret: values are sealed with it (redis/seal.h), and unsealed ones are not read; NULL: no sealing.
 */
struct shared_cache *shared_cache_new(struct loop *loop, struct redis *redis, struct redis_room *room,
                                      const char *secret, const struct shared_events *events, void *owner);
/* Names the log that values are read from. Values kept from another log are no longer found. "": no name. */
void shared_cache_set_log(struct shared_cache *shared, const char *log);
/* Pending fetches get an empty answer; unconfirmed removals are given up. */
void shared_cache_free(struct shared_cache **shared);
/* ttl_ms: the life that values are kept for. A value with much more left was kept before the server's clock was set
 * back or another server took over; it is cut to ttl_ms. early_ms: a value with less than that left comes with a lease
 * for the first caller, and lives early_ms longer; 0: never. */
void shared_cache_fetch(struct shared_cache *shared, struct shared_fetch *fetch, struct slice key, uint64_t ttl_ms,
                        uint64_t early_ms);
/* Keeps the value loaded under the lease, if the lease still holds; ttl_ms is varied by ±10 %. value.ptr NULL: the
 * load failed; another caller may load, and a value that was being reloaded early stays until it expires. */
void shared_cache_land(struct shared_cache *shared, struct slice key, uint64_t lease, struct slice value,
                       uint64_t ttl_ms);
void shared_cache_remove(struct shared_cache *shared, struct slice key);
/* Removes the key, then keeps the value. */
void shared_cache_put(struct shared_cache *shared, struct slice key, struct slice value, uint64_t ttl_ms);

#endif
