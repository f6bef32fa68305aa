/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/hash.h"

/* Linear probing in a ring of slots. A removal moves the followers of its cluster up, so there are no tombstones. */
struct slot {
    const char *key;
    void *value; /* NULL: empty */
    uint32_t key_len, hash;
};

struct map {
    struct slot *slots;
    size_t cap; /* at most three quarters of them are taken */
    size_t size;
};

enum { CAP_MIN = 8 };

struct map *map_new(void) {
    return NEW(struct map);
}

void map_free(struct map **map) {
    if (!*map) return;
    free((*map)->slots);
    free(*map);
    *map = NULL;
}

size_t map_size(const struct map *map) {
    return map->size;
}

static struct slice key_of(const struct slot *slot) {
    return (struct slice){slot->key, slot->key_len};
}

static uint32_t hash_of(struct slice key) {
    return (uint32_t)hash_local(key);
}

/* Where a search begins. */
static size_t home_of(const struct map *map, uint32_t hash) {
    return (uint64_t)hash * map->cap >> 32;
}

static size_t after(const struct map *map, size_t i) {
    return i + 1 < map->cap ? i + 1 : 0;
}

/* From one slot on to another, round the ring. */
static size_t distance(const struct map *map, size_t from, size_t to) {
    return to >= from ? to - from : to + map->cap - from;
}

/* The slot that holds the key, else the empty one where it belongs. There is always an empty one. */
static struct slot *probe(const struct map *map, uint32_t hash, struct slice key) {
    for (size_t i = home_of(map, hash);; i = after(map, i)) {
        struct slot *slot = &map->slots[i];
        if (!slot->value || (slot->hash == hash && slice_equal(key_of(slot), key))) return slot;
    }
}

static void grow(struct map *map) {
    struct map old = *map;
    map->cap = old.cap ? old.cap + old.cap / 4 : CAP_MIN;
    map->slots = NEW_ARRAY(struct slot, map->cap);
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].value) *probe(map, old.slots[i].hash, key_of(&old.slots[i])) = old.slots[i];
    free(old.slots);
}

void *map_find(const struct map *map, struct slice key) {
    return map->size ? probe(map, hash_of(key), key)->value : NULL;
}

void *map_put(struct map *map, struct slice key, void *value) {
    assert(value);
    if ((map->size + 1) * 4 > map->cap * 3) grow(map);
    uint32_t hash = hash_of(key);
    struct slot *slot = probe(map, hash, key);
    void *old = slot->value;
    *slot = (struct slot){key.ptr, value, (uint32_t)key.len, hash};
    if (!old) map->size++;
    return old;
}

void *map_remove(struct map *map, struct slice key) {
    if (!map->size) return NULL;
    struct slot *slot = probe(map, hash_of(key), key);
    void *removed = slot->value;
    if (!removed) return NULL;
    /* An entry moves up into the hole unless its home lies behind the hole. */
    size_t hole = (size_t)(slot - map->slots);
    for (size_t i = after(map, hole); map->slots[i].value; i = after(map, i)) {
        if (distance(map, home_of(map, map->slots[i].hash), i) < distance(map, hole, i)) continue;
        map->slots[hole] = map->slots[i];
        hole = i;
    }
    map->slots[hole] = (struct slot){0};
    map->size--;
    return removed;
}

/* The walk goes backwards from an empty slot: no cluster spans that slot, so what a removal moves up comes from where
 * the walk has been, and lands where it has been. The cursor holds that slot and the number of slots seen. */
void *map_next(const struct map *map, size_t *cursor) {
    if (map->cap == 0) return NULL;
    size_t start = *cursor >> 32, seen = *cursor & UINT32_MAX;
    if (*cursor == 0)
        while (map->slots[start].value) start++;
    while (++seen < map->cap) {
        void *value = map->slots[start >= seen ? start - seen : start + map->cap - seen].value;
        if (!value) continue;
        *cursor = start << 32 | seen;
        return value;
    }
    return NULL;
}
