/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory that is given back all at once, with a bound. Embedded by value. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

/* {.max_bytes = N} is an empty one. */
struct arena {
    struct arena_chunk *chunk;
    size_t used_bytes, max_bytes;
};

/* Aligned for any type, not zeroed. NULL: it would be more than max_bytes. */
void *arena_take(struct arena *arena, size_t len);
/* Everything taken is gone; a chunk is kept for what comes. */
void arena_clear(struct arena *arena);
void arena_done(struct arena *arena);

#endif
