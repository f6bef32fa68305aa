/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "lua/bind_internal.h"
#include "lua/globals.h"
#include "lua/task.h"
#include "lua/types.h"
#include "lua/vm.h"

static const char base_key, modules_key, source_key; /* registry keys */
static char loading;                                 /* its address marks a module that is being loaded */

static const char *const base_names[] = {"assert",   "error",  "ipairs",       "next",         "pairs",    "rawequal",
                                         "rawget",   "select", "setmetatable", "getmetatable", "tonumber", "type",
                                         "tostring", "unpack", "_VERSION",     "math",         "bit",      NULL};
static const char *const os_names[] = {"time", "date", "clock", "difftime", NULL};
static const char *const string_names[] = {"byte",  "char",  "find", "format",  "gmatch", "gsub",  "len",
                                           "lower", "match", "rep",  "reverse", "sub",    "upper", NULL};
static const char *const coroutine_names[] = {"create", "status", "wrap", "yield", NULL};

static void open_library(lua_State *L, lua_CFunction open, const char *name) {
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 0);
}

/* target[name] = source[name] for each name; both at absolute indexes. */
static void copy(lua_State *L, int source, int target, const char *const *names) {
    for (; *names; names++) {
        lua_getfield(L, source, *names);
        lua_setfield(L, target, *names);
    }
}

/* base[library] = a read-only table of the names of that global library. */
static void copy_library(lua_State *L, int base, const char *library, const char *const *names) {
    lua_newtable(L);
    lua_getglobal(L, library);
    copy(L, lua_gettop(L), lua_gettop(L) - 1, names);
    lua_pop(L, 1);
    types_freeze(L);
    lua_setfield(L, base, library);
}

/* Scripts must not write to the server's tables. */
static int guarded_rawset(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    if (luaL_getmetafield(L, 1, "__metatable")) {
        if (!types_is_array(L, 1)) return luaL_error(L, "this table is read-only");
        lua_pop(L, 1);
    }
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static int check_budget(lua_State *L) {
    vm_check(L);
    return 0;
}

static int is_over_budget(lua_State *L) {
    lua_pushboolean(L, vm_of(L)->over_budget);
    return 1;
}

static int print(lua_State *L) {
    luaL_Buffer line;
    int len = lua_gettop(L);
    vm_check_depth(L);
    luaL_buffinit(L, &line);
    for (int i = 1; i <= len; i++) {
        if (i > 1) luaL_addchar(&line, ' ');
        if (lua_isstring(L, i))
            lua_pushvalue(L, i);
        else if (!luaL_callmeta(L, i, "__tostring") || !lua_isstring(L, -1))
            lua_pushstring(L, luaL_typename(L, i));
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    LOG(LOG_INFO, "script.print", LOG_TEXT("text", lua_tostring(L, -1)));
    return 0;
}

/* Adds protect.lua's pcall, xpcall, coroutine.resume to base and its coroutine table. */
static void add_protected(lua_State *L, int base, int coroutine) {
    lua_pushcfunction(L, check_budget);
    lua_pushcfunction(L, is_over_budget);
    lua_getglobal(L, "pcall");
    lua_getglobal(L, "xpcall");
    lua_getglobal(L, "coroutine");
    lua_getfield(L, -1, "resume");
    lua_replace(L, -2);
    sandbox_run_embedded(L, "protect", 5);
    lua_getfield(L, -1, "pcall");
    lua_setfield(L, base, "pcall");
    lua_getfield(L, -1, "xpcall");
    lua_setfield(L, base, "xpcall");
    lua_getfield(L, -1, "resume");
    lua_setfield(L, coroutine, "resume");
    lua_pop(L, 1);
}

/* All strings share one metatable: scripts get our methods and cannot reach the metatable. */
static void guard_strings(lua_State *L) {
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_newtable(L);
    lua_getglobal(L, "string");
    copy(L, lua_gettop(L), lua_gettop(L) - 1, string_names);
    lua_pop(L, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

static void build_base(lua_State *L) {
    lua_newtable(L);
    int base = lua_gettop(L);
    copy(L, LUA_GLOBALSINDEX, base, base_names);
    lua_getglobal(L, "math");
    types_freeze(L);
    lua_setfield(L, base, "math");
    lua_getglobal(L, "bit");
    types_freeze(L);
    lua_setfield(L, base, "bit");
    lua_getglobal(L, "table");
    types_freeze(L);
    lua_setfield(L, base, "table");
    copy_library(L, base, "os", os_names);
    copy_library(L, base, "string", string_names);
    lua_newtable(L);
    lua_getglobal(L, "coroutine");
    copy(L, base + 2, base + 1, coroutine_names);
    lua_pop(L, 1);
    lua_pushcfunction(L, task_running);
    lua_setfield(L, base + 1, "running");
    add_protected(L, base, base + 1);
    types_freeze(L);
    lua_setfield(L, base, "coroutine");
    lua_pushcfunction(L, guarded_rawset);
    lua_setfield(L, base, "rawset");
    lua_pushcfunction(L, print);
    lua_setfield(L, base, "print");
}

static void seed_random(lua_State *L) {
    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_pushnumber(L, (lua_Number)(hash_local(SLICE("lua")) ^ (uint64_t)(uintptr_t)L));
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}

void sandbox_open(lua_State *L, sandbox_source *find_source) {
    static const luaL_Reg libraries[] = {{"", luaopen_base},
                                         {"table", luaopen_table},
                                         {"string", luaopen_string},
                                         {"math", luaopen_math},
                                         {"os", luaopen_os},
                                         {"bit", luaopen_bit},
                                         {NULL, NULL}};
    bool open = vm_of(L)->settings.open;
    if (open) luaL_openlibs(L);
    for (const luaL_Reg *library = libraries; !open && library->name; library++)
        open_library(L, library->func, library->name);
    types_open(L);
    bind_string(L);
    bind_table(L);
    seed_random(L);
    guard_strings(L);
    lua_newtable(L);
    vm_keep(L, &modules_key);
    lua_pushlightuserdata(L, (void *)(uintptr_t)find_source);
    vm_keep(L, &source_key);
    if (open)
        lua_pushvalue(L, LUA_GLOBALSINDEX);
    else
        build_base(L);
    vm_keep(L, &base_key);
}

void sandbox_provide(lua_State *L, const char *name) {
    vm_push_kept(L, &modules_key);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

static int freeze_globals(lua_State *L) {
    if (!vm_of(L)->loading)
        return luaL_error(L,
                          "the globals of a script are frozen once it has been loaded: '%s' (use local, stoa.shared or "
                          "socket:set_state)",
                          lua_tostring(L, 2) ? lua_tostring(L, 2) : "?");
    lua_settop(L, 3);
    lua_rawset(L, lua_upvalueindex(1));
    return 0;
}

/* "a.b" beside path: folder/a/b.lua. Pushes the file's path; false: the name is not allowed. */
static bool push_path(lua_State *L, const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") != strlen(name) ||
        name[0] == '.' || strstr(name, ".."))
        return false;
    lua_pushlstring(L, path, slash ? (size_t)(slash - path) + 1 : 0);
    luaL_gsub(L, name, ".", "/");
    lua_pushliteral(L, ".lua");
    lua_concat(L, 3);
    return true;
}

static bool has_global(void *owner, const char *name) {
    lua_State *L = owner; /* the globals are on top */
    lua_getfield(L, -1, name);
    bool has = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return has;
}

void sandbox_check_globals(lua_State *L, const char *path, struct slice text) {
    struct error error;
    bool good = globals_check(path, text, has_global, L, &error);
    lua_pop(L, 1);
    if (good) return;
    lua_pushstring(L, error.text);
    lua_error(L);
}

/* Pushes what the file returns; each file is loaded once. */
void sandbox_run(lua_State *L, const char *path) {
    vm_push_kept(L, &modules_key);
    int modules = lua_gettop(L);
    lua_getfield(L, modules, path);
    if (lua_islightuserdata(L, -1) && lua_touserdata(L, -1) == &loading) luaL_error(L, "'%s' requires itself", path);
    if (!lua_isnil(L, -1)) {
        lua_remove(L, modules);
        return;
    }
    vm_push_kept(L, &source_key);
    sandbox_source *find_source = (sandbox_source *)(uintptr_t)lua_touserdata(L, -1);
    struct slice text = find_source ? find_source(vm_of(L)->owner, path) : SLICE_NONE;
    if (!text.ptr) luaL_error(L, "'%s' not found", path);
    if (!vm_of(L)->loading) luaL_error(L, "require works while scripts are loaded");
    lua_pushlightuserdata(L, &loading);
    lua_setfield(L, modules, path);
    sandbox_load(L, path, text);
    lua_getfenv(L, -1);
    lua_insert(L, -2);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pushboolean(L, true);
        lua_replace(L, -2);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, modules, path);
    lua_insert(L, -2);
    sandbox_check_globals(L, path, text);
    lua_replace(L, modules);
    lua_settop(L, modules);
}

/* Upvalue: the path of the script that calls require. */
static int require(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    vm_push_kept(L, &modules_key);
    lua_getfield(L, 2, name);
    if (!lua_isnil(L, -1)) return 1;
    if (!push_path(L, lua_tostring(L, lua_upvalueindex(1)), name)) return luaL_error(L, "module '%s' not found", name);
    sandbox_run(L, lua_tostring(L, -1));
    return 1;
}

void sandbox_load(lua_State *L, const char *path, struct slice text) {
    lua_pushfstring(L, "@%s", path);
    if (text.len > 0 && text.ptr[0] == '\33') luaL_error(L, "%s:1: bytecode is refused", path);
    if (luaL_loadbufferx(L, text.ptr, text.len, lua_tostring(L, -1), "t") != 0) lua_error(L);
    lua_newtable(L); /* the globals: empty, so that __newindex sees each write */
    lua_newtable(L); /* their values */
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "_G");
    lua_pushstring(L, path);
    lua_pushcclosure(L, require, 1);
    lua_setfield(L, -2, "require");
    lua_createtable(L, 0, 1);
    vm_push_kept(L, &base_key);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, freeze_globals, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
    lua_setfenv(L, -2);
    lua_replace(L, -2);
}

void sandbox_run_embedded(lua_State *L, const char *name, int args) {
    for (size_t i = 0; i < embedded_len; i++) {
        if (strcmp(embedded[i].name, name) != 0) continue;
        lua_pushfstring(L, "=stoa.%s", name);
        if (luaL_loadbufferx(L, (const char *)embedded[i].text, embedded[i].len, lua_tostring(L, -1), "t") != 0)
            lua_error(L);
        lua_replace(L, -2);
        lua_insert(L, -args - 1);
        lua_call(L, args, 1);
        return;
    }
    luaL_error(L, "no library %s", name);
}
