/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/shared_values.h"

#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "loop/loop.h"

enum { ENTRY_OVERHEAD = 128 };

struct shared_entry {
    struct list link; /* oldest first */
    uint64_t until_ms;
    size_t key_len, json_len;
    char bytes[]; /* key, json */
};

struct shared {
    unsigned references;
    struct loop *loop;
    struct map *entries;
    struct list all;
    size_t bytes;
};

struct shared *shared_new(struct loop *loop) {
    struct shared *shared = NEW(struct shared);
    shared->references = 1;
    shared->loop = loop;
    shared->entries = map_new();
    list_init(&shared->all);
    return shared;
}

struct shared *shared_ref(struct shared *shared) {
    shared->references++;
    return shared;
}

static size_t cost(const struct shared_entry *entry) {
    return ENTRY_OVERHEAD + entry->key_len + entry->json_len;
}

static void drop(struct shared *shared, struct shared_entry *entry) {
    map_remove(shared->entries, (struct slice){entry->bytes, entry->key_len});
    list_remove(&entry->link);
    shared->bytes -= cost(entry);
    free(entry);
}

void shared_unref(struct shared **shared_ref) {
    struct shared *shared = *shared_ref;
    *shared_ref = NULL;
    if (!shared || --shared->references > 0) return;
    LIST_EACH(&shared->all, link) drop(shared, CONTAINER(link, struct shared_entry, link));
    map_free(&shared->entries);
    free(shared);
}

static bool is_over(const struct shared *shared, const struct shared_entry *entry) {
    return entry->until_ms > 0 && entry->until_ms <= loop_now_ms(shared->loop);
}

struct slice shared_find(struct shared *shared, struct slice key) {
    struct shared_entry *entry = map_find(shared->entries, key);
    if (!entry) return SLICE_NONE;
    if (!is_over(shared, entry)) return (struct slice){entry->bytes + entry->key_len, entry->json_len};
    drop(shared, entry);
    return SLICE_NONE;
}

void shared_remove(struct shared *shared, struct slice key) {
    struct shared_entry *entry = map_find(shared->entries, key);
    if (entry) drop(shared, entry);
}

static bool has_room(const struct shared *shared, size_t len) {
    return shared->bytes + len <= SHARED_BYTES_MAX && map_size(shared->entries) < SHARED_KEYS_MAX;
}

bool shared_set(struct shared *shared, struct slice key, struct slice json, uint64_t ttl_ms) {
    if (key.len > SHARED_KEY_MAX || json.len > SHARED_VALUE_MAX) return false;
    size_t len = ENTRY_OVERHEAD + key.len + json.len;
    struct shared_entry *before = map_find(shared->entries, key);
    if (!has_room(shared, len)) {
        LIST_EACH(&shared->all, link) {
            struct shared_entry *entry = CONTAINER(link, struct shared_entry, link);
            if (entry != before && is_over(shared, entry)) drop(shared, entry);
        }
    }
    if (before) drop(shared, before);
    if (!has_room(shared, len)) return false;
    struct shared_entry *entry = memory_new(sizeof *entry + key.len + json.len);
    entry->until_ms = ttl_ms ? loop_now_ms(shared->loop) + ttl_ms : 0;
    entry->key_len = key.len;
    entry->json_len = json.len;
    memcpy(entry->bytes, key.ptr, key.len);
    memcpy(entry->bytes + key.len, json.ptr, json.len);
    map_put(shared->entries, (struct slice){entry->bytes, key.len}, entry);
    list_append(&shared->all, &entry->link);
    shared->bytes += len;
    return true;
}
