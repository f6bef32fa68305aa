/* SPDX-License-Identifier: Apache-2.0 */
/* State that survives reloads. */
#include <lauxlib.h>

#include "lua/bind_internal.h"
#include "policy/shared_values.h"
#include "wire/json.h"

static struct slice check_key(lua_State *L) {
    struct slice key = bind_text(L, 1);
    luaL_argcheck(L, key.len > 0 && key.len <= SHARED_KEY_MAX, 1, "1 to 512 bytes expected");
    return key;
}

static uint64_t ttl_ms(lua_State *L, int index) {
    double seconds = luaL_optnumber(L, index, 0);
    luaL_argcheck(L, seconds >= 0 && seconds < 1e10, index, "seconds expected");
    return (uint64_t)(seconds * 1000);
}

/* A stored value.
 * @function stoa.shared.get
 * @param key at most 512 bytes
 * @return the value, or nil
 * @example local state = stoa.shared.get("state") or {} */
static int get(lua_State *L) {
    struct slice json = shared_find(script_state_of(L)->shared, check_key(L));
    if (json.len == 0) return 0;
    script_json_push(L, json, NULL, 0);
    return 1;
}

/* Stores a value: anything that JSON can hold, at most 64 KiB; 16 MiB for all values.
 * @function stoa.shared.set
 * @param key at most 512 bytes
 * @param value not nil
 * @param ttl_seconds how long the value is kept; may be nil
 * @return true
 * @error full
 * @example stoa.shared.set("banned:" .. id, true, 3600) */
static int set(lua_State *L) {
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = SHARED_VALUE_MAX};
    struct slice key = check_key(L);
    luaL_argcheck(L, !lua_isnoneornil(L, 2), 2, "a value expected (stoa.shared.remove removes)");
    uint64_t ttl = ttl_ms(L, 3);
    buffer_clear(json.out);
    if (!script_json_pull(L, 2, &json)) {
        if (json.problem == JSON_TOO_LARGE) return bind_fail(L, "full");
        return luaL_error(L, "cannot keep %s", json.problem);
    }
    return shared_set(script_state_of(L)->shared, key, buffer_slice(json.out), ttl) ? bind_true(L)
                                                                                    : bind_fail(L, "full");
}

/* Adds to a stored number (0 if there is none).
 * @function stoa.shared.add
 * @param key at most 512 bytes
 * @param n the number to add
 * @param ttl_seconds how long the value is kept from now; may be nil
 * @return the sum
 * @error full
 * @example local visits = stoa.shared.add("visits", 1) */
static int add(lua_State *L) {
    struct shared *shared = script_state_of(L)->shared;
    struct slice key = check_key(L), json = shared_find(shared, key);
    double n = luaL_checknumber(L, 2);
    uint64_t ttl = ttl_ms(L, 3);
    if (json.len > 0 && json_type_of(json) != JSON_NUMBER) return luaL_error(L, "'%s' is no number", key.ptr);
    if (json.len > 0) n += json_number(json);
    struct buffer *out = &vm_of(L)->out;
    buffer_clear(out);
    json_write_number(out, n);
    if (!shared_set(shared, key, buffer_slice(out), ttl)) return bind_fail(L, "full");
    lua_pushnumber(L, n);
    return 1;
}

/* Removes a value.
 * @function stoa.shared.remove
 * @param key at most 512 bytes
 * @example stoa.shared.remove("state") */
static int remove_key(lua_State *L) {
    shared_remove(script_state_of(L)->shared, check_key(L));
    return 0;
}

void bind_shared(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"get", get}, {"set", set}, {"add", add}, {"remove", remove_key}, {NULL, NULL}};
    bind_library(L, "shared", functions);
}
