/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/bind.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "config/config.h"
#include "config/file.h"
#include "lua/bind_internal.h"
#include "lua/results.h"
#include "lua/sandbox.h"
#include "lua/types.h"
#include "store/store.h"
#include "wire/socketio.h"
#include "worker/worker.h"

void bind_library(lua_State *L, const char *name, const luaL_Reg *functions) {
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    types_freeze(L);
    lua_setfield(L, -2, name);
}

int bind_fail(lua_State *L, const char *word) {
    lua_pushnil(L);
    lua_pushstring(L, word);
    return 2;
}

int bind_true(lua_State *L) {
    lua_pushboolean(L, true);
    return 1;
}

struct slice bind_text(lua_State *L, int index) {
    struct slice text;
    text.ptr = luaL_checklstring(L, index, &text.len);
    return text;
}

void bind_push_field(lua_State *L, int index, const char *name) {
    luaL_checktype(L, index, LUA_TTABLE);
    if (index < 0) index = lua_gettop(L) + index + 1;
    lua_pushstring(L, name);
    lua_rawget(L, index);
}

struct slice bind_field(lua_State *L, int index, const char *name) {
    struct slice text = SLICE_NONE;
    bind_push_field(L, index, name);
    if (lua_type(L, -1) == LUA_TSTRING)
        text.ptr = lua_tolstring(L, -1, &text.len);
    else if (!lua_isnil(L, -1) && !types_is_null(L, -1))
        luaL_error(L, "%s is a %s, not a string", name, luaL_typename(L, -1));
    lua_pop(L, 1);
    return text;
}

double bind_number_field(lua_State *L, int index, const char *name, double fallback) {
    bind_push_field(L, index, name);
    double number = fallback;
    if (lua_type(L, -1) == LUA_TNUMBER)
        number = lua_tonumber(L, -1);
    else if (!lua_isnil(L, -1) && !types_is_null(L, -1))
        luaL_error(L, "%s is a %s, not a number", name, luaL_typename(L, -1));
    lua_pop(L, 1);
    return number;
}

const char *bind_path_field(lua_State *L, int index, const char *name) {
    struct slice path = bind_field(L, index, name);
    if (path.len == 0) return NULL;
    char *folder = file_folder(script_state_of(L)->config->file), *resolved = file_resolve(folder, path.ptr);
    lua_pushstring(L, resolved);
    free(folder);
    free(resolved);
    return lua_tostring(L, -1);
}

bool bind_is_id(struct slice id) {
    if (id.len < 1 || id.len > 64) return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                       c == '.' || c == ':' || c == '-';
        if (!allowed) return false;
    }
    return true;
}

struct json_out bind_json(lua_State *L, int first, int last, unsigned attachments_max) {
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = BIND_OUT_MAX, .attachments_max = attachments_max};
    buffer_clear(json.out);
    if (!script_json_pull_array(L, first, last, &json)) luaL_error(L, "cannot send %s", json.problem);
    return json;
}

struct buffer bind_take(lua_State *L) {
    struct vm *vm = vm_of(L);
    struct buffer taken = vm->out;
    vm->out = (struct buffer){0};
    return taken;
}

/* A buffer above this is freed: one large value must not keep memory for ever. */
enum { KEEP_MAX = 1 << 20 };

void bind_release(struct vm *vm, struct buffer *buffer) {
    if (vm->out.ptr || buffer->cap > KEEP_MAX) {
        buffer_done(buffer);
        return;
    }
    vm->out = *buffer;
}

void bind_check_event(lua_State *L, int index) {
    struct slice event = bind_text(L, index);
    luaL_argcheck(L, event.len > 0 && event.len <= SOCKETIO_EVENT_NAME_MAX, index, "1 to 128 bytes expected");
    luaL_argcheck(L, !socketio_reserved(event), index, "the name is reserved");
}

/* ---- the store ---- */

const char *bind_store_word(int status) {
    switch (status) {
        case STORE_OK:
            return "ok";
        case STORE_NOT_FOUND:
            return "not_found";
        case STORE_CONFLICT:
            return "id_conflict";
        case STORE_TOO_LARGE:
            return "too_large";
        case STORE_BAD:
            return "bad_request";
        case STORE_FULL:
            return "storage_full";
        default:
            return "unavailable";
    }
}

struct store_request *bind_request(lua_State *L, int op, bind_push *push) {
    script_state_worker(L);
    return results_request(script_state_of(L)->results, L, op, push);
}

int bind_submit(lua_State *L, struct store_request **request) {
    store_submit(script_state_of(L)->worker->store, request);
    return task_wait(L, 0);
}

int bind_push_true(lua_State *L, struct store_request *request) {
    (void)request;
    return bind_true(L);
}

int bind_push_value(lua_State *L, struct store_request *request) {
    script_json_push(L, buffer_slice(&request->json), NULL, 0);
    return 1;
}

int bind_push_raw(lua_State *L, struct store_request *request) {
    types_push_raw(L, buffer_slice(&request->json));
    return 1;
}

/* ---- all modules ---- */

void bind_all(lua_State *L) {
    static void (*const modules[])(lua_State *) = {
        bind_stoa,    bind_shards, bind_values,  bind_socket,   bind_connection, bind_dial,  bind_room,
        bind_channel, bind_user,   bind_session, bind_presence, bind_limit,      bind_cache, bind_shared,
        bind_jwt,     bind_http,   bind_log,     bind_metrics,  bind_crypto,     bind_audit};
    static const char *const libraries[] = {"presence", "session", "shared", "jwt",  "http", "log",
                                            "metrics",  "crypto",  "audit",  "json", NULL};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) modules[i](L);
    for (const char *const *name = libraries; *name; name++) {
        lua_getfield(L, -1, *name);
        lua_pushfstring(L, "stoa.%s", *name);
        lua_insert(L, -2);
        sandbox_provide(L, lua_tostring(L, -2));
        lua_pop(L, 1);
    }
    types_freeze(L);
    sandbox_provide(L, "stoa");
}
