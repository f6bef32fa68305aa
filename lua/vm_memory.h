/* SPDX-License-Identifier: Apache-2.0 */
/* vm_memory.h - the memory of one Lua state. Scripts make and drop some sixty small blocks a message: these are handed
 * out again by their size, past the process's allocator. What was taken for small blocks goes back all at once, with
 * the state. Knows no Lua. */
#ifndef LUA_VM_MEMORY_H
#define LUA_VM_MEMORY_H

#include "base/arena.h"

enum { VM_MEMORY_STEP = 16, VM_MEMORY_SIZES = 32 }; /* beyond their product, in bytes, a block is the process's */

struct vm_block;

/* {.arena.max_bytes = N} is an empty one. */
struct vm_memory {
    struct arena arena;
    struct vm_block *unused[VM_MEMORY_SIZES];
};

/* Like realloc, for who knows the old size; new_len 0 frees and answers NULL. Else NULL: there is no room, and the
 * block is as it was. */
void *vm_memory_resize(struct vm_memory *memory, void *ptr, size_t old_len, size_t new_len);
/* All small blocks are gone. */
void vm_memory_done(struct vm_memory *memory);

#endif
