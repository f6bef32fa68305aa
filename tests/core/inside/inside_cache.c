/* SPDX-License-Identifier: Apache-2.0 */
#include "cache/cache.c"

#include "inside/inside.h"

size_t cache_bytes(const struct cache *cache) {
    return cache->bytes;
}

size_t cache_entries(const struct cache *cache) {
    return map_size(cache->entries);
}
