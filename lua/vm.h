/* SPDX-License-Identifier: Apache-2.0 */
/* vm.h - one Lua state: its memory is capped, each run in it has a budget, nothing in it can end the process.
 *
 * Every entry is vm_protect (nothing raises across C frames that are not Lua's). A run that makes the state grow by
 * more than its share ends, and the others go on. Only when the whole state has no room an allocation is refused; then
 * it is broken: LuaJIT runs no emergency collection, so it is thrown away by its owner and built anew. It knows nothing
 * of scripts, tasks or the worker.
 */
#ifndef LUA_VM_H
#define LUA_VM_H

#include <lua.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "lua/vm_memory.h"

struct loop;

/* One run: from the entry into Lua to the return or the wait. */
struct vm_budget {
    uint64_t instructions;
    unsigned wall_ms;
    size_t memory_bytes; /* limit of the state's growth; 0: only the state's own limit */
};
/* What is left of the budget. */
struct vm_rest {
    uint64_t steps, deadline_us;
    size_t memory_end; /* limit of memory_used */
};

struct vm_settings {
    size_t memory_bytes;
    struct vm_budget run, load; /* of a handler, of loading the scripts */
    bool jit, open;             /* open: all of Lua's libraries */
    bool gc_aggressive;         /* for tests: collects at each entry */
};
extern const struct vm_settings vm_defaults;

struct vm {
    lua_State *L;
    struct vm_settings settings;
    size_t memory_used;
    struct vm_memory memory;
    size_t collect_at; /* between runs, garbage is collected above this */
    struct vm_rest rest;
    bool over_budget;      /* of this run; pcall does not catch this error */
    bool hurried;          /* a run has grown past its share: the next instruction checks it */
    bool broken;           /* out of memory happened */
    bool loading;          /* globals may be set, registrations made */
    const char *stack_top; /* approximate C stack address when the vm was made */
    void *owner;
    struct buffer scratch, out; /* for the running code; keep nothing in them across a call that may raise or wait */
};

/* Makes a bare state: no library is open. NULL: the memory is too small even for that. */
struct vm *vm_new(const struct vm_settings *settings, void *owner);
void vm_free(struct vm **vm);
struct vm *vm_of(lua_State *L);

/* Pop a value into the registry, push it from there. The key is an address: no name is hashed. */
void vm_keep(lua_State *L, const void *key);
void vm_push_kept(lua_State *L, const void *key);

/* Runs fn(L) with owner as a light userdata on top of an empty frame. False: it raised; the message is in error_r. */
bool vm_protect(struct vm *vm, lua_CFunction fn, void *owner, struct error *error_r) MUST_CHECK;
/* The same with a fresh run's budget, even during another run, which keeps its own. */
bool vm_protect_apart(struct vm *vm, lua_CFunction fn, void *owner, struct error *error_r) MUST_CHECK;
/* Starts a fresh budget. */
void vm_begin(struct vm *vm, const struct vm_budget *budget);
/* Between runs: collects garbage if more than half of the memory is in use. */
void vm_tidy(struct vm *vm);
/* Takes steps of work done in C from the budget; raises when it is used up. */
void vm_charge(lua_State *L, uint64_t steps);
/* Raises the budget error if this run is over its budget (for functions that catch errors). */
void vm_check(lua_State *L);
/* True: so much of the C stack is in use that C may not call Lua any more. */
bool vm_is_deep(const struct vm *vm);
/* Raises if vm_is_deep. For C that calls a script's function; other nesting is caught some instructions later. */
void vm_check_depth(lua_State *L);
/* After a lua_resume or lua_pcall: notes that memory ran out. */
void vm_note(struct vm *vm, int status);

#endif
