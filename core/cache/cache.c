/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/cache.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/map.h"
#include "loop/loop.h"

enum entry_kind { ENTRY_VALUE, ENTRY_NEGATIVE, ENTRY_TOMBSTONE };

struct cache_entry {
    struct list link; /* in recent or negative, least recently used first */
    enum entry_kind kind;
    uint64_t version;
    uint64_t refresh_ms, expires_ms, stale_ms; /* time of early refresh; expiry; expiry during a refresh */
    bool is_refreshing;                        /* the key's current flight is an early one */
    size_t key_len, value_len;
    char bytes[]; /* key, value */
};

/* A load of a key's value in progress. Current: callers find it by its key and wait for it. After it ends, or a put or
 * removal overtakes it, it only answers those already waiting. */
struct cache_flight {
    struct list link; /* in cache->flights */
    struct cache *cache;
    struct list waiters;
    struct loop_task answer;
    struct loop_timer deadline;
    char *value; /* NULL: failed */
    size_t value_len;
    bool is_current;
    size_t key_len;
    char key[];
};

struct cache {
    struct loop *loop;
    struct map *entries, *current; /* values, tombstones; current flights */
    struct list recent, negative, flights;
    size_t max_bytes, bytes, negative_bytes;
    uint64_t draws;
};

enum { MAP_SLOT_BYTES = 64, NEGATIVE_SHARE = 8 };

static size_t entry_bytes(const struct cache_entry *entry) {
    return sizeof *entry + entry->key_len + entry->value_len + MAP_SLOT_BYTES;
}

static struct slice entry_key(const struct cache_entry *entry) {
    return (struct slice){entry->bytes, entry->key_len};
}

static void cache_drop(struct cache *cache, struct cache_entry *entry) {
    map_remove(cache->entries, entry_key(entry));
    list_remove(&entry->link);
    cache->bytes -= entry_bytes(entry);
    if (entry->kind == ENTRY_NEGATIVE) cache->negative_bytes -= entry_bytes(entry);
    free(entry);
}

static void cache_shrink(struct cache *cache) {
    while (cache->negative_bytes > cache->max_bytes / NEGATIVE_SHARE)
        cache_drop(cache, CONTAINER(cache->negative.next, struct cache_entry, link));
    while (cache->bytes > cache->max_bytes) {
        struct list *oldest = list_empty(&cache->recent) ? cache->negative.next : cache->recent.next;
        cache_drop(cache, CONTAINER(oldest, struct cache_entry, link));
    }
}

/* The live entry or tombstone; drops an expired one. */
static struct cache_entry *cache_entry_at(struct cache *cache, struct slice key, uint64_t now_ms) {
    struct cache_entry *entry = map_find(cache->entries, key);
    if (!entry || (entry->is_refreshing ? entry->stale_ms : entry->expires_ms) > now_ms) return entry;
    cache_drop(cache, entry);
    return NULL;
}

static struct cache_entry *cache_entry(struct cache *cache, struct slice key) {
    return cache_entry_at(cache, key, loop_now_ms(cache->loop));
}

/* Plans a refresh a tenth to a twentieth of the remaining life before the end: a failed refresh is tried again, ever
 * closer to the end. The moment is drawn once per copy, not at each look-up: one caller reloads in any case, and
 * frequent look-ups need no earlier refresh. Copies of one value on many workers expire together, so they draw
 * different moments. */
static void entry_plan(struct cache *cache, struct cache_entry *entry) {
    uint64_t now_ms = loop_now_ms(cache->loop);
    uint64_t left_ms = entry->expires_ms > now_ms ? entry->expires_ms - now_ms : 0;
    uint64_t ahead_ms = left_ms / CACHE_EARLY_SHARE;
    entry->refresh_ms = entry->expires_ms - ahead_ms + hash_draw(&cache->draws, ahead_ms / 2 + 1);
}

/* Replaces the key's entry; its version never decreases. */
static void cache_store(struct cache *cache, struct slice key, struct slice value, enum entry_kind kind,
                        uint64_t version, uint64_t ttl_ms) {
    struct cache_entry *old = map_find(cache->entries, key);
    struct cache_entry *entry = memory_new(sizeof *entry + key.len + value.len);
    entry->kind = kind;
    entry->version = old && old->version > version ? old->version : version;
    entry->expires_ms = loop_now_ms(cache->loop) + ttl_ms;
    entry->stale_ms = entry->expires_ms + ttl_ms / CACHE_EARLY_SHARE;
    entry->is_refreshing = false;
    entry_plan(cache, entry);
    entry->key_len = key.len;
    entry->value_len = value.len;
    if (key.len) memcpy(entry->bytes, key.ptr, key.len);
    if (value.len) memcpy(entry->bytes + key.len, value.ptr, value.len);
    if (old) cache_drop(cache, old);
    if (entry_bytes(entry) > cache->max_bytes) {
        free(entry);
        return;
    }
    map_put(cache->entries, entry_key(entry), entry);
    list_append(kind == ENTRY_NEGATIVE ? &cache->negative : &cache->recent, &entry->link);
    cache->bytes += entry_bytes(entry);
    if (kind == ENTRY_NEGATIVE) cache->negative_bytes += entry_bytes(entry);
    cache_shrink(cache);
}

static void cache_store_value(struct cache *cache, struct slice key, struct slice value, uint64_t version,
                              uint64_t ttl_ms) {
    cache_store(cache, key, value, value.len ? ENTRY_VALUE : ENTRY_NEGATIVE, version,
                hash_spread(&cache->draws, ttl_ms));
}

static struct slice flight_key(const struct cache_flight *flight) {
    return (struct slice){flight->key, flight->key_len};
}

static void flight_retire(struct cache_flight *flight) {
    struct cache *cache = flight->cache;
    if (!flight->is_current) return;
    flight->is_current = false;
    map_remove(cache->current, flight_key(flight));
    struct cache_entry *entry = map_find(cache->entries, flight_key(flight));
    if (!entry || !entry->is_refreshing) return;
    entry->is_refreshing = false;
    entry_plan(cache, entry);
}

/* A flight in progress may have read an older value than this put or removal. */
static void cache_overtake(struct cache *cache, struct slice key) {
    struct cache_flight *flight = map_find(cache->current, key);
    if (flight) flight_retire(flight);
}

static void flight_tell(struct cache_flight *flight) {
    struct slice value = {flight->value, flight->value_len};
    for (struct list *link; (link = list_pop(&flight->waiters));) {
        struct cache_waiter *waiter = CONTAINER(link, struct cache_waiter, link);
        waiter->done(waiter, value);
    }
}

static void flight_free(struct cache_flight *flight) {
    flight_retire(flight);
    loop_timer_cancel(&flight->deadline);
    loop_task_cancel(&flight->answer);
    list_remove(&flight->link);
    free(flight->value);
    free(flight);
}

static void flight_answer(struct loop_task *task) {
    struct cache_flight *flight = CONTAINER(task, struct cache_flight, answer);
    flight_tell(flight);
    flight_free(flight);
}

static void flight_overdue(struct loop_timer *timer) {
    struct cache_flight *flight = CONTAINER(timer, struct cache_flight, deadline);
    flight_retire(flight);
    flight_tell(flight);
}

static struct cache_flight *flight_new(struct cache *cache, struct slice key) {
    struct cache_flight *flight = memory_new(sizeof *flight + key.len);
    flight->cache = cache;
    flight->is_current = true;
    flight->key_len = key.len;
    if (key.len) memcpy(flight->key, key.ptr, key.len);
    list_init(&flight->waiters);
    loop_task_init(&flight->answer, flight_answer);
    loop_timer_init(&flight->deadline, cache->loop, flight_overdue);
    loop_timer_set(&flight->deadline, CACHE_FLIGHT_MS);
    list_append(&cache->flights, &flight->link);
    map_put(cache->current, flight_key(flight), flight);
    return flight;
}

struct cache *cache_new(struct loop *loop, size_t max_bytes) {
    struct cache *cache = NEW(struct cache);
    cache->loop = loop;
    cache->max_bytes = max_bytes;
    cache->entries = map_new();
    cache->current = map_new();
    list_init(&cache->recent);
    list_init(&cache->negative);
    list_init(&cache->flights);
    return cache;
}

void cache_free(struct cache **cache_owner) {
    struct cache *cache = *cache_owner;
    if (!cache) return;
    LIST_EACH(&cache->flights, link) flight_free(CONTAINER(link, struct cache_flight, link));
    cache_set_max(cache, 0);
    map_free(&cache->entries);
    map_free(&cache->current);
    free(cache);
    *cache_owner = NULL;
}

void cache_set_max(struct cache *cache, size_t max_bytes) {
    cache->max_bytes = max_bytes;
    cache_shrink(cache);
}

enum cache_found cache_get(struct cache *cache, struct slice key, struct slice *value_r, struct cache_flight **flight_r,
                           struct cache_waiter *waiter) {
    uint64_t now_ms = loop_now_ms(cache->loop);
    struct cache_entry *entry = cache_entry_at(cache, key, now_ms);
    if (entry && entry->kind != ENTRY_TOMBSTONE) {
        struct list *used = entry->kind == ENTRY_NEGATIVE ? &cache->negative : &cache->recent;
        list_remove(&entry->link);
        list_append(used, &entry->link);
        *value_r = (struct slice){entry->bytes + entry->key_len, entry->value_len};
        if (entry->is_refreshing || entry->refresh_ms > now_ms) return CACHE_HIT;
        entry->is_refreshing = true;
        *flight_r = flight_new(cache, key);
        return CACHE_EARLY;
    }
    struct cache_flight *flight = map_find(cache->current, key);
    if (flight) {
        list_append(&flight->waiters, &waiter->link);
        return CACHE_WAIT;
    }
    *flight_r = flight_new(cache, key);
    return CACHE_MISS;
}

bool cache_land(struct cache *cache, struct cache_flight **flight_owner, struct slice value, uint64_t ttl_ms) {
    struct cache_flight *flight = *flight_owner;
    *flight_owner = NULL;
    bool is_current = flight->is_current;
    flight_retire(flight);
    if (is_current && value.ptr) cache_store_value(cache, flight_key(flight), value, 0, ttl_ms);
    loop_timer_cancel(&flight->deadline);
    if (value.ptr && !list_empty(&flight->waiters)) {
        flight->value = memory_copy(value.ptr, value.len);
        flight->value_len = value.len;
    }
    loop_post(cache->loop, &flight->answer);
    return is_current;
}

bool cache_put(struct cache *cache, struct slice key, struct slice value, uint64_t version, uint64_t ttl_ms) {
    struct cache_entry *entry = cache_entry(cache, key);
    if (entry && version != 0 && version < entry->version) return false;
    cache_overtake(cache, key);
    cache_store_value(cache, key, value, version, ttl_ms);
    return true;
}

void cache_remove(struct cache *cache, struct slice key, uint64_t version) {
    struct cache_entry *entry = cache_entry(cache, key);
    cache_overtake(cache, key);
    if (entry && version != 0 && version < entry->version) return;
    /* A removal without a version is newer than the value it removes. */
    if (version == 0 && entry && entry->version) version = entry->version + (entry->kind != ENTRY_TOMBSTONE);
    if (version) {
        cache_store(cache, key, SLICE_NONE, ENTRY_TOMBSTONE, version, CACHE_TOMBSTONE_MS);
    } else if (entry) {
        cache_drop(cache, entry);
    }
}

void cache_forget_all(struct cache *cache) {
    LIST_EACH(&cache->flights, link) flight_retire(CONTAINER(link, struct cache_flight, link));
    LIST_EACH(&cache->negative, link) cache_drop(cache, CONTAINER(link, struct cache_entry, link));
    LIST_EACH(&cache->recent, link) {
        struct cache_entry *entry = CONTAINER(link, struct cache_entry, link);
        if (entry->kind == ENTRY_VALUE) cache_drop(cache, entry);
    }
}
