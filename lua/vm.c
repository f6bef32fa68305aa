/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/vm.h"

#include <lauxlib.h>
#include <luajit.h>
#include <stdlib.h>

#include "base/monotonic.h"

/* The system's stack is 8 MiB: calls between two checks and the core's own calls need far less than the rest. */
enum { HOOK_STEPS = 1000, STACK_MAX = 1 << 19, COLLECTED_A_STEP = 64 };

const struct vm_settings vm_defaults = {
    .memory_bytes = (size_t)128 << 20,
    .run = {.instructions = 20000000, .wall_ms = 200},
    .load = {.instructions = 200000000, .wall_ms = 5000},
};

/* Counts live memory, or the memory that small blocks once took. */
static bool is_full(const struct vm *vm, size_t more) {
    size_t max_bytes = vm->settings.memory_bytes;
    return vm->memory_used + more > max_bytes || vm->memory.arena.used_bytes > max_bytes;
}

static void count_hook(lua_State *L, lua_Debug *activation);

/* Growth beyond the run's share is allowed until the instruction ends: nothing can raise within an instruction.
 * lua_sethook may be called at any time. */
static bool may_grow(struct vm *vm, size_t more) {
    if (is_full(vm, more)) return false;
    if (!vm->hurried) lua_sethook(vm->L, count_hook, LUA_MASKCOUNT, 1);
    vm->hurried = true;
    return true;
}

/* LuaJIT frees with the size it allocated, so the sum is exact. Refusing is only for growth: Lua assumes that
 * shrinking works. */
static void *vm_allocate(void *owner, void *ptr, size_t old_len, size_t new_len) {
    struct vm *vm = owner;
    if (!ptr) old_len = 0;
    bool grows = new_len > old_len && (vm->memory_used + new_len - old_len > vm->rest.memory_end ||
                                       vm->memory.arena.used_bytes > vm->settings.memory_bytes);
    if (grows && !may_grow(vm, new_len - old_len)) {
        vm->broken = true;
        return NULL;
    }
    void *resized = vm_memory_resize(&vm->memory, ptr, old_len, new_len);
    if (resized || new_len == 0)
        vm->memory_used += new_len - old_len;
    else
        vm->broken = true;
    return resized;
}

static void budget_error(lua_State *L, const char *what) {
    vm_of(L)->over_budget = true;
    luaL_where(L, 0);
    lua_pushfstring(L, "ran over its %s", what);
    lua_concat(L, 2);
    lua_error(L);
}

/* Garbage that the run made does not count against its share. */
static void check_memory(lua_State *L) {
    struct vm *vm = vm_of(L);
    size_t before = vm->memory_used;
    if (before <= vm->rest.memory_end) return;
    lua_gc(L, LUA_GCCOLLECT, 0);
    uint64_t steps = before / COLLECTED_A_STEP;
    vm->rest.steps -= steps < vm->rest.steps ? steps : vm->rest.steps;
    if (vm->memory_used > vm->rest.memory_end) budget_error(L, "share of the memory");
}

static void count_hook(lua_State *L, lua_Debug *activation) {
    (void)activation;
    struct vm *vm = vm_of(L);
    vm_check_depth(L);
    if (vm->hurried) {
        vm->hurried = false;
        lua_sethook(L, count_hook, LUA_MASKCOUNT, HOOK_STEPS);
        check_memory(L);
    }
    vm_charge(L, HOOK_STEPS);
}

bool vm_is_deep(const struct vm *vm) {
    return vm->stack_top - (const char *)__builtin_frame_address(0) > STACK_MAX;
}

void vm_check_depth(lua_State *L) {
    if (vm_is_deep(vm_of(L))) luaL_error(L, "stack overflow (calls from Lua to C and back are nested too deeply)");
}

void vm_charge(lua_State *L, uint64_t steps) {
    struct vm *vm = vm_of(L);
    if (vm->hurried) check_memory(L); /* no Lua instruction runs during a long binding */
    if (steps < vm->rest.steps) {
        vm->rest.steps -= steps;
        if (steps < HOOK_STEPS || monotonic_us() < vm->rest.deadline_us) return;
    }
    vm->rest.steps = 0;
    budget_error(L, "budget");
}

void vm_check(lua_State *L) {
    if (vm_of(L)->over_budget) budget_error(L, "budget");
}

struct vm *vm_of(lua_State *L) {
    void *owner;
    lua_getallocf(L, &owner);
    return owner;
}

struct vm *vm_new(const struct vm_settings *settings, void *owner) {
    struct vm *vm = NEW(struct vm);
    vm->settings = *settings;
    vm->stack_top = __builtin_frame_address(0);
    vm->owner = owner;
    vm->memory.arena.max_bytes = SIZE_MAX; /* is_full bounds it */
    vm->rest.memory_end = settings->memory_bytes;
    vm->collect_at = settings->memory_bytes / 2;
    vm->L = lua_newstate(vm_allocate, vm);
    if (!vm->L) {
        vm_free(&vm);
        return NULL;
    }
    luaJIT_setmode(vm->L, 0, LUAJIT_MODE_ENGINE | (settings->jit ? LUAJIT_MODE_ON : LUAJIT_MODE_OFF));
    lua_sethook(vm->L, count_hook, LUA_MASKCOUNT, HOOK_STEPS);
    if (settings->gc_aggressive) {
        lua_gc(vm->L, LUA_GCSETPAUSE, 0);
        lua_gc(vm->L, LUA_GCSETSTEPMUL, 100000);
    }
    return vm;
}

void vm_free(struct vm **vm) {
    if (!*vm) return;
    if ((*vm)->L) lua_close((*vm)->L);
    vm_memory_done(&(*vm)->memory);
    buffer_done(&(*vm)->scratch);
    buffer_done(&(*vm)->out);
    free(*vm);
    *vm = NULL;
}

void vm_begin(struct vm *vm, const struct vm_budget *budget) {
    vm->over_budget = false;
    if (vm->settings.gc_aggressive && !vm->broken) lua_gc(vm->L, LUA_GCCOLLECT, 0);
    size_t max_bytes = vm->settings.memory_bytes, share = budget->memory_bytes ? budget->memory_bytes : max_bytes;
    vm->rest = (struct vm_rest){
        .steps = budget->instructions,
        .deadline_us = monotonic_us() + (uint64_t)budget->wall_ms * 1000,
        .memory_end = share < max_bytes - vm->memory_used ? vm->memory_used + share : max_bytes,
    };
}

/* If scripts keep more than half for good, the next collection comes only after a little more growth. */
void vm_tidy(struct vm *vm) {
    if (vm->broken || vm->memory_used <= vm->collect_at) return;
    lua_gc(vm->L, LUA_GCCOLLECT, 0);
    size_t half = vm->settings.memory_bytes / 2, more = vm->memory_used + vm->settings.memory_bytes / 8;
    vm->collect_at = more > half ? more : half;
}

void vm_note(struct vm *vm, int status) {
    if (status == LUA_ERRMEM) vm->broken = true;
}

void vm_keep(lua_State *L, const void *key) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)key);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

void vm_push_kept(lua_State *L, const void *key) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)key);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

bool vm_protect(struct vm *vm, lua_CFunction fn, void *owner, struct error *error_r) {
    int status = lua_cpcall(vm->L, fn, owner);
    if (status == 0) return true;
    vm_note(vm, status);
    const char *message = status == LUA_ERRMEM      ? "not enough memory"
                          : lua_isstring(vm->L, -1) ? lua_tostring(vm->L, -1)
                                                    : "(error object is not a string)";
    error_set(error_r, "%s", message);
    lua_pop(vm->L, 1);
    return false;
}

bool vm_protect_apart(struct vm *vm, lua_CFunction fn, void *owner, struct error *error_r) {
    struct vm_rest rest = vm->rest;
    bool over_budget = vm->over_budget;
    vm_begin(vm, &vm->settings.run);
    bool done = vm_protect(vm, fn, owner, error_r);
    vm->rest = rest;
    vm->over_budget = over_budget;
    return done;
}
