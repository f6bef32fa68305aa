/* cache.h - a byte-bounded LRU of byte strings with expiry, versions and single flight.
 *
 * Overhead is counted. A value carries a version: an older one never replaces a newer one, and a removal leaves a
 * tombstone that refuses older values for a while (pitfall: a slow reader brings back what was deleted).
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include <stdint.h>

#include "base/slice.h"

struct cache;
struct cache_flight;
struct loop;

enum cache_found { CACHE_HIT, CACHE_MISS /* the asker now holds the key's flight and must end it */, CACHE_WAIT };

/* Someone who waits for another one's flight. */
struct cache_waiter {
    struct cache_waiter *next;
    /* value: borrowed for the call; NULL ptr: the flight failed (ask again or give up). */
    void (*done)(struct cache_waiter *waiter, struct slice value);
};

struct cache *cache_new(struct loop *loop, size_t max_bytes);
void cache_free(struct cache **cache);
void cache_set_max(struct cache *cache, size_t max_bytes);
/* HIT: value_r borrowed until the next call. MISS: flight_r is the asker's. WAIT: waiter->done follows (in a later
 * turn). */
enum cache_found cache_get(struct cache *cache, struct slice key, struct slice *value_r, struct cache_flight **flight_r,
                           struct cache_waiter *waiter);
void cache_forget_waiter(struct cache *cache, struct cache_waiter *waiter);
/* Ends a flight: stores the value (unless the key was removed or put since the flight began) and answers the waiters;
 * ttl_ms is spread by ±10 %. value.ptr NULL: failed. */
void cache_land(struct cache *cache, struct cache_flight **flight, struct slice value, uint64_t ttl_ms);
/* version 0: unversioned (always newer). False: a newer one is there. */
bool cache_put(struct cache *cache, struct slice key, struct slice value, uint64_t version, uint64_t ttl_ms);
void cache_remove(struct cache *cache, struct slice key, uint64_t version);
size_t cache_bytes(const struct cache *cache);
size_t cache_entries(const struct cache *cache);

#endif
