/* SPDX-License-Identifier: Apache-2.0 */
/* cache.h - a byte-bounded LRU of byte strings with expiry, versions, single flight and early refresh.
 *
 * Overhead is counted. A value carries a version: an older one never replaces a newer one, and a removal leaves a
 * tombstone that refuses older values for a while: a slow reader never brings back what was removed. A value of no
 * bytes (ptr not NULL) says that there is none; such ones take at most an eighth of the memory.
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

struct cache;
struct cache_flight;
struct loop;

/* MISS, EARLY: the asker now holds the key's flight and must end it. */
enum cache_found { CACHE_HIT, CACHE_EARLY /* the value is there yet: he loads it again */, CACHE_MISS, CACHE_WAIT };

/* Someone who waits for another one's flight. */
struct cache_waiter {
    struct list link; /* cache.c's */
    /* value: borrowed for the call; NULL ptr: the flight failed (ask again or give up). */
    void (*done)(struct cache_waiter *waiter, struct slice value);
};

/* A flight that is not ended within CACHE_FLIGHT_MS has failed its waiters, and the next asker gets a new one; it must
 * be ended all the same. */
enum { CACHE_FLIGHT_MS = 10000, CACHE_TOMBSTONE_MS = 60000 };
/* From a moment early in the last tenth of a value's life on, drawn for each copy, the next one who asks is sent for it
 * (EARLY); all others are served what is there meanwhile, for a tenth longer if need be. If he fails, it stays its
 * time. */
enum { CACHE_EARLY_SHARE = 10 };

struct cache *cache_new(struct loop *loop, size_t max_bytes);
/* Flights end with it; waiters do not hear. */
void cache_free(struct cache **cache);
void cache_set_max(struct cache *cache, size_t max_bytes);
/* HIT, EARLY: value_r borrowed until the next call. EARLY, MISS: flight_r is the asker's. WAIT: waiter->done follows
 * (later, from the loop). */
enum cache_found cache_get(struct cache *cache, struct slice key, struct slice *value_r, struct cache_flight **flight_r,
                           struct cache_waiter *waiter);
/* Ends a flight: stores the value (unless the key was removed or put since the flight began: it may be older than that)
 * and answers the waiters; ttl_ms is spread by ±10 %. value.ptr NULL: failed. False: the key was removed or put, or the
 * flight was overdue; what EARLY showed is not to be relied on. */
bool cache_land(struct cache *cache, struct cache_flight **flight, struct slice value, uint64_t ttl_ms);
/* version 0: unversioned (always newer). False: a newer one is there, or was removed lately. */
bool cache_put(struct cache *cache, struct slice key, struct slice value, uint64_t version, uint64_t ttl_ms);
/* version: of the removal; 0: of whatever is there. A value that is newer than the removal stays. */
void cache_remove(struct cache *cache, struct slice key, uint64_t version);
/* All values go, and what is read by flights under way is not kept: they may be older than what was not heard of. */
void cache_forget_all(struct cache *cache);

#endif
