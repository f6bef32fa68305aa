/* SPDX-License-Identifier: Apache-2.0 */
/* cache.h - a byte-bounded LRU of byte strings with expiry, versions, single flight and early refresh.
 *
 * Overhead is counted. Each value has a version: an older one never replaces a newer one. A removal leaves a tombstone
 * that refuses older values for a while, so a slow reader never brings back a removed value. An empty value (ptr not
 * NULL) caches that no value exists; such entries take at most an eighth of the memory.
 */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"

struct cache;
struct cache_flight;
struct loop;

/* MISS, EARLY: the caller now holds the key's flight and must end it. */
enum cache_found { CACHE_HIT, CACHE_EARLY /* still valid, but reload it */, CACHE_MISS, CACHE_WAIT };

/* A caller that waits for another caller's flight. */
struct cache_waiter {
    struct list link; /* owned by cache.c */
    /* value: borrowed for the call; NULL ptr: the flight failed (ask again or give up). */
    void (*done)(struct cache_waiter *waiter, struct slice value);
};

/* A flight that has not ended within CACHE_FLIGHT_MS fails its waiters, and the next caller gets a new one; the old
 * flight must still be ended. */
enum { CACHE_FLIGHT_MS = 10000, CACHE_TOMBSTONE_MS = 60000 };
/* Early refresh: at a random moment early in the last tenth of a value's life (drawn for each copy), the next caller
 * gets EARLY and reloads it. Meanwhile all others get the current value, if necessary for a tenth of its life longer.
 * If the reload fails, the value stays until it expires. */
enum { CACHE_EARLY_SHARE = 10 };

struct cache *cache_new(struct loop *loop, size_t max_bytes);
/* Ends all flights; waiters are not called. */
void cache_free(struct cache **cache);
void cache_set_max(struct cache *cache, size_t max_bytes);
/* HIT, EARLY: value_r is borrowed until the next call. EARLY, MISS: flight_r belongs to the caller. WAIT: waiter->done
 * runs later, from the loop. */
enum cache_found cache_get(struct cache *cache, struct slice key, struct slice *value_r, struct cache_flight **flight_r,
                           struct cache_waiter *waiter);
/* Ends a flight: stores the value and answers the waiters. A value is not stored if the key was removed or put since
 * the flight began, since it may be older. ttl_ms is varied by ±10 %. value.ptr NULL: the load failed. False: the key
 * was removed or put, or the flight was overdue; the value from EARLY may then be out of date. */
bool cache_land(struct cache *cache, struct cache_flight **flight, struct slice value, uint64_t ttl_ms);
/* version 0: no version, always newer. False: a newer value is there, or was removed lately. */
bool cache_put(struct cache *cache, struct slice key, struct slice value, uint64_t version, uint64_t ttl_ms);
/* version: of the removal; a value newer than it stays. 0: removes any value. */
void cache_remove(struct cache *cache, struct slice key, uint64_t version);
/* Drops all values, and does not keep values of flights in progress: they may miss an invalidation that was lost. */
void cache_forget_all(struct cache *cache);

#endif
