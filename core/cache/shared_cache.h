/* SPDX-License-Identifier: Apache-2.0 */
/* shared_cache.h - the second layer of a cache: what a worker's own (cache.h) does not have, from Redis.
 *
 * Of all workers that miss a key one is given a lease and loads it; the others wait for that a moment. Of those that
 * ask for it early, near its end, one is given a lease with the value, once; the others go on with it. What is loaded
 * is kept only while the lease holds, and a removal ends it: a slow reader never brings back what was removed. A
 * removal that Redis does not confirm is repeated until it does; until then nothing is read from Redis here. Redis
 * away: every asker loads.
 *
 * A key is "NAME\nKEY", as in the worker's cache; in Redis stoa:x:NAME:LOG:{KEY}.
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
    SHARED_LEASE_MS = 3000,     /* of a key without a value: a load that takes longer is not kept */
    SHARED_WAIT_MS = 500,       /* so long does an asker wait for another one's load */
    SHARED_DEADLINE_MS = 300,   /* of an answer of Redis */
    SHARED_VALUE_MAX = 1 << 20, /* larger values are not kept */
    SHARED_REMOVALS_MAX = 10000 /* not confirmed yet; of more than these the oldest are given up */
};

struct shared_answer {
    struct slice value; /* borrowed for the call; NULL ptr: there is none, load it */
    uint64_t ttl_ms;    /* how long it has yet */
    uint64_t lease;     /* for shared_cache_land; 0: none. With a value: load it again, it ends soon */
};

/* Embedded in the asker, who sets done and keeps it until then. */
struct shared_fetch {
    void (*done)(struct shared_fetch *fetch,
                 const struct shared_answer *answer); /* once, later, from the loop or at the end */
};

struct shared_events {
    /* Redis has it no more: workers that have it must be told now, not before. */
    void (*removed)(void *owner, struct slice key);
};

/* Of the keys in Redis, as a pattern of Lua. */
#define SHARED_CACHE_KEYS "^stoa:x:"

/* redis, room and events outlive it. Without room nothing is kept; room NULL: there always is. secret: values are
 * sealed with it (redis/seal.h), and others are not read; NULL: none.
 */
struct shared_cache *shared_cache_new(struct loop *loop, struct redis *redis, struct redis_room *room,
                                      const char *secret, const struct shared_events *events, void *owner);
/* Who fetches hears that there is nothing; removals that are not confirmed are given up. */
/* What is kept from now on is read from this log, and what was read from another one is not found any more. "": no
 * name. */
void shared_cache_set_log(struct shared_cache *shared, const char *log);
void shared_cache_free(struct shared_cache **shared);
/* ttl_ms: what it is kept for; what has much more left was kept before the server's clock was set back, or another one
 * took its place, and is cut to that. early_ms: a value that has less than that left comes with a lease, to the first
 * who asks so, and lives so much longer; 0: never. */
void shared_cache_fetch(struct shared_cache *shared, struct shared_fetch *fetch, struct slice key, uint64_t ttl_ms,
                        uint64_t early_ms);
/* Keeps what was loaded under the lease, if it still holds; ttl_ms is spread by ±10 %. value.ptr NULL: the load
 * failed. The next one may try; but what was to be loaded early stays its time. */
void shared_cache_land(struct shared_cache *shared, struct slice key, uint64_t lease, struct slice value,
                       uint64_t ttl_ms);
void shared_cache_remove(struct shared_cache *shared, struct slice key);
/* Removes, then keeps this. */
void shared_cache_put(struct shared_cache *shared, struct slice key, struct slice value, uint64_t ttl_ms);

#endif
