/* SPDX-License-Identifier: Apache-2.0 */
/* stoa.null, array, binary, raw and stoa.json. */
#include <lauxlib.h>

#include "lua/bind_internal.h"
#include "lua/sandbox.h"
#include "lua/types.h"
#include "wire/grapheme.h"
#include "wire/json.h"

enum { STEP_BYTES = 8, GRAPHEME_MAX = 64 };

/* Marks a table as an array, so that it stays one when it is empty.
 * @function stoa.array
 * @param table a list; a new one when absent
 * @return the table
 * @example return {ok = true, channels = stoa.array{}} */
static int array(lua_State *L) {
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (types_is_array(L, 1)) return 1;
    luaL_argcheck(L, !luaL_getmetafield(L, 1, "__metatable"), 1, "this table is read-only");
    types_mark_array(L);
    return 1;
}

/* True if it is a table marked as an array (all arrays from clients are).
 * @function stoa.is_array
 * @param value anything
 * @return true or false
 * @example if not stoa.is_array(ids) then return nil, "bad_request" end */
static int is_array(lua_State *L) {
    lua_pushboolean(L, types_is_array(L, 1));
    return 1;
}

/* Bytes, sent as a binary attachment. tostring(b) gives them back, #b their number.
 * @function stoa.binary
 * @param bytes a string
 * @return a binary value
 * @example socket:emit("picture", stoa.binary(bytes)) */
static int binary(lua_State *L) {
    types_push_binary(L, bind_text(L, 1));
    return 1;
}

/* True if it is a binary value.
 * @function stoa.is_binary
 * @param value anything
 * @return true or false
 * @example if stoa.is_binary(content) then return nil, "bad_request" end */
static int is_binary(lua_State *L) {
    struct slice bytes;
    lua_pushboolean(L, types_binary(L, 1, &bytes));
    return 1;
}

/* True if it is text of exactly one visible character (a grapheme cluster: "é", "👍🏽", a family emoji of 25
 * bytes).
 * @function stoa.is_grapheme
 * @param value anything; false for text of more than 64 bytes
 * @return true or false
 * @example if not stoa.is_grapheme(arguments.emoji) then return nil, "bad_request" end */
static int is_grapheme(lua_State *L) {
    bool may_be = lua_type(L, 1) == LUA_TSTRING && lua_objlen(L, 1) <= GRAPHEME_MAX;
    lua_pushboolean(L, may_be && grapheme_is_one(bind_text(L, 1)));
    return 1;
}

/* JSON that is inserted unchanged, without being decoded. tostring(r) gives it back, r:decode() the value.
 * @function stoa.raw
 * @param json a string
 * @return a raw value
 * @error bad_json
 * @example return {ok = true, messages = stoa.raw(json)} */
static int raw(lua_State *L) {
    struct slice json = bind_text(L, 1);
    vm_charge(L, json.len / STEP_BYTES + 1);
    if (!json_valid(json)) return bind_fail(L, "bad_json");
    types_push_raw(L, json);
    return 1;
}

/* True if it is a raw value.
 * @function stoa.is_raw
 * @param value anything
 * @return true or false
 * @example if stoa.is_raw(events) then events = events:decode() end */
static int is_raw(lua_State *L) {
    struct slice json;
    lua_pushboolean(L, types_raw(L, 1, &json));
    return 1;
}

/* JSON of a value, with the shapes of events: arrays, stoa.null, raw.
 * @function stoa.json.encode
 * @param value anything but functions, binaries and cycles
 * @return a string
 * @error bad_value
 * @example local text = stoa.json.encode{users = stoa.array{}} */
static int encode(lua_State *L) {
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = BIND_OUT_MAX};
    luaL_checkany(L, 1);
    buffer_clear(json.out);
    if (!script_json_pull(L, 1, &json)) return bind_fail(L, "bad_value");
    vm_charge(L, json.out->len / STEP_BYTES + 1);
    lua_pushlstring(L, json.out->ptr, json.out->len);
    return 1;
}

/* Checks that a client's value can be stored: as JSON of at most max_bytes, without U+0000, which databases do not
 * store.
 * @function stoa.json.check
 * @param value anything
 * @param max_bytes of its JSON
 * @return true
 * @error bad_request, too_large
 * @example local fits, word = stoa.json.check(arguments.content, 65536) */
static int check(lua_State *L) {
    struct buffer *out = &vm_of(L)->out;
    double max_bytes = luaL_checknumber(L, 2);
    luaL_argcheck(L, max_bytes >= 0 && max_bytes <= BIND_OUT_MAX, 2, "a number of bytes expected");
    struct json_out json = {.out = out, .max_bytes = (size_t)max_bytes};
    buffer_clear(out);
    bool written = script_json_pull(L, 1, &json);
    vm_charge(L, out->len / STEP_BYTES + 1);
    if (!written) return bind_fail(L, json.problem == JSON_TOO_LARGE ? "too_large" : "bad_request");
    return json_holds_nul(buffer_slice(out)) ? bind_fail(L, "bad_request") : bind_true(L);
}

/* The value of a JSON text: arrays stay arrays, null is stoa.null, integers beyond 2^53 are strings.
 * @function stoa.json.decode
 * @param text a string
 * @return the value
 * @error bad_json
 * @example local body, word = stoa.json.decode(request.body) */
static int decode(lua_State *L) {
    struct slice json = bind_text(L, 1);
    vm_charge(L, json.len / STEP_BYTES + 1);
    if (!json_valid(json)) return bind_fail(L, "bad_json");
    script_json_push(L, json, NULL, 0);
    return 1;
}

/* cjson.encode and cjson.decode, compatible with lua-cjson: errors raise. We do not use lua-cjson, because nothing
 * limits its buffers. */
static int encode_or_raise(lua_State *L) {
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = BIND_OUT_MAX};
    luaL_checkany(L, 1);
    buffer_clear(json.out);
    if (!script_json_pull(L, 1, &json)) return luaL_error(L, "cannot encode %s", json.problem);
    vm_charge(L, json.out->len / STEP_BYTES + 1);
    lua_pushlstring(L, json.out->ptr, json.out->len);
    return 1;
}

static int decode_or_raise(lua_State *L) {
    struct slice json = bind_text(L, 1);
    vm_charge(L, json.len / STEP_BYTES + 1);
    if (!json_valid(json)) return luaL_error(L, "no JSON");
    script_json_push(L, json, NULL, 0);
    return 1;
}

static void provide_cjson(lua_State *L) {
    static const luaL_Reg functions[] = {{"encode", encode_or_raise}, {"decode", decode_or_raise}, {NULL, NULL}};
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    types_push_null(L);
    lua_setfield(L, -2, "null");
    types_freeze(L);
    sandbox_provide(L, "cjson");
}

void bind_values(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"array", array}, {"is_array", is_array}, {"binary", binary},           {"is_binary", is_binary},
        {"raw", raw},     {"is_raw", is_raw},     {"is_grapheme", is_grapheme}, {NULL, NULL}};
    static const luaL_Reg json_functions[] = {{"encode", encode}, {"decode", decode}, {"check", check}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
    bind_library(L, "json", json_functions);
    types_push_null(L);
    lua_setfield(L, -2, "null");
    provide_cjson(L);
}
