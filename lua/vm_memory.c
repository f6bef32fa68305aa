/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/vm_memory.h"

#include <stdlib.h>
#include <string.h>

struct vm_block {
    struct vm_block *next;
};

/* VM_MEMORY_SIZES and above: not a small block. */
static size_t size_class(size_t len) {
    return (len - 1) / VM_MEMORY_STEP;
}

static void *take(struct vm_memory *memory, size_t len) {
    size_t size = size_class(len);
    if (size >= VM_MEMORY_SIZES) return malloc(len);
    struct vm_block *block = memory->unused[size];
    if (!block) return arena_take(&memory->arena, (size + 1) * VM_MEMORY_STEP);
    memory->unused[size] = block->next;
    return block;
}

static void give_back(struct vm_memory *memory, void *ptr, size_t len) {
    size_t size = size_class(len);
    if (size >= VM_MEMORY_SIZES) {
        free(ptr);
        return;
    }
    struct vm_block *block = ptr;
    block->next = memory->unused[size];
    memory->unused[size] = block;
}

void *vm_memory_resize(struct vm_memory *memory, void *ptr, size_t old_len, size_t new_len) {
    if (!ptr) return new_len > 0 ? take(memory, new_len) : NULL;
    if (new_len == 0) {
        give_back(memory, ptr, old_len);
        return NULL;
    }
    if (size_class(old_len) >= VM_MEMORY_SIZES && size_class(new_len) >= VM_MEMORY_SIZES) return realloc(ptr, new_len);
    if (size_class(old_len) == size_class(new_len)) return ptr;
    void *moved = take(memory, new_len);
    if (!moved) return NULL;
    memcpy(moved, ptr, old_len < new_len ? old_len : new_len);
    give_back(memory, ptr, old_len);
    return moved;
}

void vm_memory_done(struct vm_memory *memory) {
    arena_done(&memory->arena);
    memset(memory->unused, 0, sizeof memory->unused);
}
