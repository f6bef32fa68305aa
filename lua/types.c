/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/types.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "lua/script_json.h"
#include "lua/vm.h"
#include "wire/json.h"

static const char ARRAY[] = "stoa.array", BINARY[] = "stoa.binary", RAW[] = "stoa.raw";
static char null_address;

/* Bytes inside a userdata. */
struct bytes {
    size_t len;
    char ptr[];
};

void types_push_null(lua_State *L) {
    lua_pushlightuserdata(L, &null_address);
}

bool types_is_null(lua_State *L, int index) {
    return lua_islightuserdata(L, index) && lua_touserdata(L, index) == &null_address;
}

void types_mark_array(lua_State *L) {
    vm_push_kept(L, ARRAY);
    lua_setmetatable(L, -2);
}

static bool has_class(lua_State *L, int index, const char *class_name) {
    if (!lua_getmetatable(L, index)) return false;
    vm_push_kept(L, class_name);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

bool types_is_array(lua_State *L, int index) {
    return lua_istable(L, index) && has_class(L, index, ARRAY);
}

void *types_new(lua_State *L, const char *class_name, size_t len) {
    void *value = lua_newuserdata(L, len);
    memset(value, 0, len);
    vm_push_kept(L, class_name);
    lua_setmetatable(L, -2);
    return value;
}

void *types_test(lua_State *L, int index, const char *class_name) {
    return lua_type(L, index) == LUA_TUSERDATA && has_class(L, index, class_name) ? lua_touserdata(L, index) : NULL;
}

void *types_check(lua_State *L, int index, const char *class_name) {
    void *value = types_test(L, index, class_name);
    if (!value) luaL_typerror(L, index, class_name);
    return value;
}

static void push_bytes(lua_State *L, const char *class_name, struct slice from) {
    struct bytes *bytes = types_new(L, class_name, sizeof *bytes + from.len);
    bytes->len = from.len;
    if (from.len > 0) memcpy(bytes->ptr, from.ptr, from.len);
}

static bool bytes_of(lua_State *L, int index, const char *class_name, struct slice *bytes_r) {
    const struct bytes *bytes = types_test(L, index, class_name);
    if (bytes) *bytes_r = (struct slice){bytes->ptr, bytes->len};
    return bytes;
}

void types_push_binary(lua_State *L, struct slice bytes) {
    push_bytes(L, BINARY, bytes);
}
bool types_binary(lua_State *L, int index, struct slice *bytes_r) {
    return bytes_of(L, index, BINARY, bytes_r);
}
void types_push_raw(lua_State *L, struct slice json) {
    push_bytes(L, RAW, json);
}
bool types_raw(lua_State *L, int index, struct slice *json_r) {
    return bytes_of(L, index, RAW, json_r);
}

static int bytes_text(lua_State *L) {
    const struct bytes *bytes = lua_touserdata(L, 1);
    lua_pushlstring(L, bytes->ptr, bytes->len);
    return 1;
}

static int bytes_len(lua_State *L) {
    const struct bytes *bytes = lua_touserdata(L, 1);
    lua_pushinteger(L, (lua_Integer)bytes->len);
    return 1;
}

static int bytes_equal(lua_State *L) {
    struct slice a = SLICE_NONE, b = SLICE_NONE;
    lua_pushboolean(L, types_binary(L, 1, &a) && types_binary(L, 2, &b) && slice_equal(a, b));
    return 1;
}

/* The JSON as Lua values.
 * @function raw:decode
 * @return the value
 * @example local messages = channel:messages{limit = 10}.messages:decode() */
static int raw_decode(lua_State *L) {
    const struct bytes *bytes = types_check(L, 1, RAW);
    script_json_push(L, (struct slice){bytes->ptr, bytes->len}, NULL, 0);
    return 1;
}

void types_class(lua_State *L, const char *class_name, const luaL_Reg *methods, lua_CFunction index,
                 lua_CFunction collect) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    vm_keep(L, class_name);
    lua_newtable(L);
    if (methods) luaL_register(L, NULL, methods);
    if (index) lua_pushcclosure(L, index, 1);
    lua_setfield(L, -2, "__index");
    if (collect) {
        lua_pushcfunction(L, collect);
        lua_setfield(L, -2, "__gc");
    }
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

static int refuse_write(lua_State *L) {
    return luaL_error(L, "this table is read-only");
}

void types_freeze(lua_State *L) {
    lua_createtable(L, 0, 0);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse_write);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_replace(L, -2);
}

void types_open(lua_State *L) {
    static const luaL_Reg raw_methods[] = {{"decode", raw_decode}, {NULL, NULL}};
    static const luaL_Reg operators[] = {
        {"__tostring", bytes_text}, {"__len", bytes_len}, {"__eq", bytes_equal}, {NULL, NULL}};
    lua_newtable(L);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    vm_keep(L, ARRAY);
    types_class(L, BINARY, NULL, NULL, NULL);
    types_class(L, RAW, raw_methods, NULL, NULL);
    const char *const names[] = {BINARY, RAW};
    for (size_t i = 0; i < 2; i++) {
        vm_push_kept(L, names[i]);
        luaL_register(L, NULL, operators);
        lua_pop(L, 1);
    }
}
