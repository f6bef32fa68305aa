/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory that is freed all at once, with a limit. Embedded by value. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* {.max_bytes = N} is an empty arena. */
struct arena {
    struct arena_chunk *chunk;
    size_t used_bytes, max_bytes;
};

/* Aligned for any type, not zeroed. NULL: max_bytes would be exceeded. */
void *arena_take(struct arena *arena, size_t len);
/* Frees all allocations; keeps one chunk for reuse. */
void arena_clear(struct arena *arena);
void arena_done(struct arena *arena);

#endif
