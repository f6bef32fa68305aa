/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - a hash map from bytes to pointers (open addressing, SipHash with a per-process key).
 *
 * Keys are borrowed: their bytes must live as long as the entry (usually inside the value).
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/memory.h"
#include "base/slice.h"

struct map;

struct map *map_new(void);
/* Does not free values. */
void map_free(struct map **map);
size_t map_size(const struct map *map);
/* NULL when the key is absent. */
void *map_find(const struct map *map, struct slice key);
/* Replaces the entry of an equal key (its key bytes too) and returns the old value, or NULL. value must not be NULL. */
void *map_put(struct map *map, struct slice key, void *value);
/* Returns the removed value, or NULL. */
void *map_remove(struct map *map, struct slice key);
/* Walks all entries in no order: start with *cursor = 0; NULL at the end. During a walk only the entry returned last
 * may be removed, and nothing may be put. */
void *map_next(const struct map *map, size_t *cursor);

#endif
