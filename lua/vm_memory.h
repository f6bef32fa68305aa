/* SPDX-License-Identifier: Apache-2.0 */
/* vm_memory.h - the memory of one Lua state. Scripts allocate and free about sixty small blocks a message: these are
 * reused by size, without the process's allocator. The memory of small blocks is freed all at once, with the state.
 * Knows no Lua. */
#ifndef LUA_VM_MEMORY_H
#define LUA_VM_MEMORY_H

#include "base/arena.h"

/* Blocks above STEP * SIZES bytes come from the process's allocator. */
enum { VM_MEMORY_STEP = 16, VM_MEMORY_SIZES = 32 };

struct vm_block;

/* Initialize with {.arena.max_bytes = N}. */
struct vm_memory {
    struct arena arena;
    struct vm_block *unused[VM_MEMORY_SIZES];
};

/* Like realloc, but takes the old size; new_len 0 frees and returns NULL. Otherwise NULL: no room; the block is
 * unchanged. */
void *vm_memory_resize(struct vm_memory *memory, void *ptr, size_t old_len, size_t new_len);
/* Frees all small blocks. */
void vm_memory_done(struct vm_memory *memory);

#endif
