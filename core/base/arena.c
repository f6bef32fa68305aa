/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#include "base/memory.h"

enum { CHUNK_BYTES = 4096, ALIGN = alignof(max_align_t) };

struct arena_chunk {
    struct arena_chunk *before;
    size_t used, len;
    alignas(max_align_t) char bytes[];
};

static void add_chunk(struct arena *arena, size_t len) {
    struct arena_chunk *chunk = memory_resize(NULL, sizeof(*chunk) + len);
    *chunk = (struct arena_chunk){.before = arena->chunk, .len = len};
    arena->chunk = chunk;
}

void *arena_take(struct arena *arena, size_t len) {
    if (len > arena->max_bytes - arena->used_bytes) return NULL;
    size_t rounded = (len + ALIGN - 1) / ALIGN * ALIGN;
    if (!arena->chunk || arena->chunk->len - arena->chunk->used < rounded)
        add_chunk(arena, rounded > CHUNK_BYTES ? rounded : CHUNK_BYTES);
    void *taken = arena->chunk->bytes + arena->chunk->used;
    arena->chunk->used += rounded;
    arena->used_bytes += len;
    return taken;
}

static void free_chunks(struct arena *arena, const struct arena_chunk *keep) {
    for (struct arena_chunk *chunk = arena->chunk, *before; chunk; chunk = before) {
        before = chunk->before;
        if (chunk != keep) free(chunk);
    }
}

void arena_clear(struct arena *arena) {
    struct arena_chunk *keep = arena->chunk && arena->chunk->len == CHUNK_BYTES ? arena->chunk : NULL;
    free_chunks(arena, keep);
    if (keep) *keep = (struct arena_chunk){.len = CHUNK_BYTES};
    arena->chunk = keep;
    arena->used_bytes = 0;
}

void arena_done(struct arena *arena) {
    free_chunks(arena, NULL);
    arena->chunk = NULL;
    arena->used_bytes = 0;
}
