/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of Lua's `table` library that may run long in C, charged to the budget. */
#include <lauxlib.h>
#include <string.h>

#include "lua/bind_internal.h"
#include "lua/vm.h"

enum { ITEMS_A_STEP = 8, BYTES_A_STEP = 16 };

static void charge_items(lua_State *L, lua_Integer len) {
    vm_charge(L, len > 0 ? (uint64_t)len / ITEMS_A_STEP + 1 : 1);
}

/* table[to] = table[from], for the table at 1. */
static void move(lua_State *L, lua_Integer from, lua_Integer to) {
    lua_rawgeti(L, 1, (int)from);
    lua_rawseti(L, 1, (int)to);
}

static int insert(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer end = (lua_Integer)lua_objlen(L, 1) + 1, at = end;
    int len = lua_gettop(L);
    if (len != 2 && len != 3) return luaL_error(L, "wrong number of arguments to 'insert'");
    if (len == 3) at = luaL_checkint(L, 2);
    charge_items(L, end - at);
    for (lua_Integer to = end; to > at; to--) move(L, to - 1, to);
    lua_rawseti(L, 1, (int)at);
    return 0;
}

static int take_out(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer end = (lua_Integer)lua_objlen(L, 1), at = luaL_optint(L, 2, (int)end);
    if (at < 1 || at > end) return 0;
    charge_items(L, end - at);
    lua_rawgeti(L, 1, (int)at);
    for (; at < end; at++) move(L, at + 1, at);
    lua_pushnil(L);
    lua_rawseti(L, 1, (int)end);
    return 1;
}

/* Calls Lua's own function, the first upvalue, with the arguments on the stack. */
static int call_own(lua_State *L) {
    vm_check_depth(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int concat(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    charge_items(L, (lua_Integer)lua_objlen(L, 1));
    int len = call_own(L);
    vm_charge(L, lua_objlen(L, -1) / BYTES_A_STEP + 1);
    return len;
}

/* Without a comparison function the second upvalue is used: a Lua function, so its instructions are counted. */
static int sort(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_pushvalue(L, lua_upvalueindex(2));
        lua_replace(L, 2);
    }
    return call_own(L);
}

void bind_table(lua_State *L) {
    static const luaL_Reg functions[] = {{"insert", insert}, {"remove", take_out}, {NULL, NULL}};
    static const char less[] = "return function(a, b) return a < b end";
    lua_getglobal(L, "table");
    luaL_register(L, NULL, functions);
    lua_getfield(L, -1, "concat");
    lua_pushcclosure(L, concat, 1);
    lua_setfield(L, -2, "concat");
    lua_getfield(L, -1, "sort");
    if (luaL_loadbuffer(L, less, sizeof less - 1, "=stoa") != 0) lua_error(L);
    lua_call(L, 0, 1);
    lua_pushcclosure(L, sort, 2);
    lua_setfield(L, -2, "sort");
    lua_pop(L, 1);
}
