/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/hook_call.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/fault.h"
#include "lua/bind_internal.h"
#include "lua/route.h"
#include "lua/types.h"
#include "session/hub.h"
#include "wire/json.h"
#include "wire/user_id.h"
#include "worker/worker.h"

/* Fractions of the state's memory. Small calls may use more than large ones, so that large ones delay only each other.
 */
enum { CALL_PART = 8, CALLS_PART = 4, LIGHT_CALLS_PART = 2, LIGHT_BYTES = 1 << 16 };
/* An authentication may have few large values or many small ones: the work depends on the number of values. */
enum { STRANGER_BYTES = 1 << 18 };

struct hook_call {
    struct policy_call *call; /* NULL: the call was abandoned */
    enum policy_point point;
    struct script_state *scripts;
    size_t bytes; /* estimated upper bound of its arguments' memory */
};

/* ---- which functions are called ---- */

static const struct {
    const char *what, *hook;
    const char *way; /* name of a function in lua/stoa/hooks.lua */
} points[] = {
    [POLICY_AUTHENTICATE] = {"authenticate", "authenticate", "authenticate"},
    [POLICY_CONNECT] = {"connect", "connect", "ask"},
    [POLICY_DISCONNECT] = {"disconnect", "disconnect", "tell"},
    [POLICY_EVENT] = {.what = "event"},
    [POLICY_OPEN] = {.what = "open"},
    [POLICY_MESSAGE] = {.what = "message"},
    [POLICY_CLOSED] = {.what = "close"},
    [POLICY_ROUTE_HEAD] = {.what = "route"},
    [POLICY_ROUTE] = {.what = "route"},
    [POLICY_SERVER_EVENT] = {"server_event", "server_event", "tell"},
    [POLICY_ALERT] = {"alert", "alert", "tell"},
};

/* Authentication in a namespace uses the main namespace's hook, unless the namespace has its own. */
static struct handler *hook_at(const struct script_state *scripts, enum policy_point point,
                               struct slice namespace_name) {
    struct slice name = slice_of(points[point].hook);
    if (point == POLICY_ALERT) namespace_name = SLICE("/");
    struct handler *hook = script_state_hooks(scripts, namespace_name, name);
    return hook || point != POLICY_AUTHENTICATE ? hook : script_state_hooks(scripts, SLICE("/"), name);
}

static void split(struct slice name, struct slice *method_r, struct slice *path_r) {
    const char *space = name.len > 0 ? memchr(name.ptr, ' ', name.len) : NULL;
    *method_r = space ? (struct slice){name.ptr, (size_t)(space - name.ptr)} : name;
    *path_r = slice_from(name, space ? (size_t)(space - name.ptr) + 1 : name.len);
}

static struct route *route_at(const struct script_state *scripts, struct slice name) {
    struct slice method, path;
    split(name, &method, &path);
    return route_find(&scripts->registered.routes, method, path);
}

static int endpoint_handler(const struct script_state *scripts, enum policy_point point, struct slice path) {
    const struct script_endpoint *endpoint = script_state_endpoint(scripts, path);
    if (!endpoint) return LUA_NOREF;
    return point == POLICY_OPEN ? endpoint->open : point == POLICY_MESSAGE ? endpoint->message : endpoint->close;
}

bool hook_call_handled(const struct script_state *scripts, enum policy_point point, struct slice namespace_name,
                       struct slice name) {
    switch (point) {
        case POLICY_EVENT:
            return script_state_handler(scripts, namespace_name, name);
        case POLICY_OPEN:
        case POLICY_MESSAGE:
        case POLICY_CLOSED:
            return endpoint_handler(scripts, point, name) != LUA_NOREF;
        case POLICY_ROUTE_HEAD: {
            const struct route *route = route_at(scripts, name);
            return route && route->head != LUA_NOREF;
        }
        case POLICY_ROUTE:
            return route_at(scripts, name);
        default:
            return hook_at(scripts, point, namespace_name);
    }
}

/* ---- arguments ---- */

static const char hooks_key; /* registry key */

void hook_call_keep(lua_State *L) {
    vm_keep(L, &hooks_key);
}

/* Pushes a function of lua/stoa/hooks.lua, the point and its hooks. */
static void push_hook_call(lua_State *L, const struct script_state *scripts, const struct policy_call *call) {
    vm_push_kept(L, &hooks_key);
    lua_getfield(L, -1, points[call->point].way);
    lua_remove(L, -2);
    lua_pushstring(L, points[call->point].hook);
    lua_rawgeti(L, LUA_REGISTRYINDEX, hook_at(scripts, call->point, call->namespace_name)->fn);
}

static void push_socket(lua_State *L, const struct script_state *scripts, struct slice id) {
    struct socket *socket = hub_find(scripts->worker->hub, id);
    if (socket)
        bind_socket_push(L, socket);
    else
        lua_pushnil(L);
}

static void push_raw_arguments(lua_State *L, struct slice json) {
    struct json_walk walk;
    struct slice item;
    struct buffer *out = &vm_of(L)->scratch;
    buffer_clear(out);
    buffer_append_char(out, '[');
    json_walk_init(&walk, json);
    for (unsigned i = 0; json_walk_item(&walk, &item); i++) {
        if (i > 1) buffer_append_char(out, ',');
        if (i > 0) buffer_append_slice(out, item);
    }
    buffer_append_char(out, ']');
    lua_pushlstring(L, out->ptr, out->len);
}

/* Pushes the items of the call's JSON array, starting at first. */
static void push_items(lua_State *L, const struct policy_call *call, unsigned first) {
    struct json_walk walk;
    struct slice item;
    json_walk_init(&walk, call->json);
    for (unsigned i = 0; json_walk_item(&walk, &item); i++) {
        if (i < first) continue;
        luaL_checkstack(L, 8, "too many arguments");
        script_json_push(L, item, call->attachments, call->attachments_len);
    }
}

static void push_event(lua_State *L, const struct script_state *scripts, const struct policy_call *call) {
    struct handler *handler = script_state_handler(scripts, call->namespace_name, call->name);
    lua_rawgeti(L, LUA_REGISTRYINDEX, handler->fn);
    push_socket(L, scripts, call->socket_id);
    if (handler->raw)
        push_raw_arguments(L, call->json);
    else
        push_items(L, call, 1);
}

static void push_route(lua_State *L, const struct script_state *scripts, const struct policy_call *call) {
    struct slice method, path;
    struct route *route = route_at(scripts, call->name);
    split(call->name, &method, &path);
    bool is_head = call->point == POLICY_ROUTE_HEAD;
    lua_rawgeti(L, LUA_REGISTRYINDEX, is_head ? route->head : route->fn);
    script_json_push(L, call->json, NULL, 0);
    lua_newtable(L);
    route_matches(route->path, path, L);
    lua_setfield(L, -2, "params");
    if (is_head) return;
    lua_pushlstring(L, call->data.ptr ? call->data.ptr : "", call->data.len);
    lua_setfield(L, -2, "body");
    lua_getfield(L, -1, "passed");
}

static void push_endpoint_call(lua_State *L, const struct script_state *scripts, const struct policy_call *call) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, endpoint_handler(scripts, call->point, call->name));
    bind_connection_push(L, call->socket_id);
    if (call->point == POLICY_OPEN)
        script_json_push(L, call->json, NULL, 0);
    else if (call->point == POLICY_CLOSED)
        push_items(L, call, 0);
    else if (call->binary)
        types_push_binary(L, call->data);
    else
        lua_pushlstring(L, call->data.ptr ? call->data.ptr : "", call->data.len);
}

static int push_arguments(lua_State *L, void *owner) {
    const struct policy_call *call = owner;
    const struct script_state *scripts = script_state_of(L);
    switch (call->point) {
        case POLICY_AUTHENTICATE:
            push_hook_call(L, scripts, call);
            script_json_push(L, call->json, NULL, 0);
            break;
        case POLICY_CONNECT:
            push_hook_call(L, scripts, call);
            push_socket(L, scripts, call->socket_id);
            break;
        case POLICY_DISCONNECT:
            push_hook_call(L, scripts, call);
            push_socket(L, scripts, call->socket_id);
            lua_pushlstring(L, call->name.ptr, call->name.len);
            break;
        case POLICY_ALERT:
            push_hook_call(L, scripts, call);
            lua_pushlstring(L, call->name.ptr, call->name.len);
            script_json_push_given(L, call->json);
            break;
        case POLICY_SERVER_EVENT:
            push_hook_call(L, scripts, call);
            push_items(L, call, 0);
            break;
        case POLICY_EVENT:
            push_event(L, scripts, call);
            break;
        case POLICY_OPEN:
        case POLICY_MESSAGE:
        case POLICY_CLOSED:
            push_endpoint_call(L, scripts, call);
            break;
        case POLICY_ROUTE_HEAD:
        case POLICY_ROUTE:
            push_route(L, scripts, call);
            break;
    }
    return lua_gettop(L);
}

/* ---- answers ---- */

static void answer(struct hook_call *hook_call, const struct policy_answer *answer) {
    struct policy_call *call = hook_call->call;
    hook_call->scripts->asked_bytes -= hook_call->bytes;
    free(hook_call);
    if (!call) return;
    call->task = NULL;
    call->done(call, answer);
}

static void write(lua_State *L, int index, struct json_out *json) {
    if (!script_json_pull(L, index, json)) luaL_error(L, "cannot send what was returned: %s", json->problem);
}

/* nil, message, data → {"message": …, "data": …} */
static void write_refusal(lua_State *L, int first, int len, struct json_out *json) {
    const char *message = len > 1 && lua_type(L, first + 1) == LUA_TSTRING ? lua_tostring(L, first + 1) : "refused";
    buffer_append_str(json->out, "{\"message\":");
    json_write_string(json->out, slice_of(message));
    if (len > 2 && !lua_isnil(L, first + 2)) {
        buffer_append_str(json->out, ",\"data\":");
        write(L, first + 2, json);
    }
    buffer_append_char(json->out, '}');
}

static enum policy_status write_user(lua_State *L, int first, int len, struct json_out *json) {
    if (len == 0 || !lua_toboolean(L, first)) {
        write_refusal(L, first, len, json);
        return POLICY_REFUSED;
    }
    luaL_checktype(L, first, LUA_TTABLE);
    lua_getfield(L, first, "id");
    struct slice id = {lua_tostring(L, -1), 0};
    if (id.ptr) id.len = lua_objlen(L, -1);
    if (lua_type(L, -1) != LUA_TSTRING || !user_id_valid(id)) luaL_error(L, "authenticate: the user's id is malformed");
    lua_pop(L, 1);
    write(L, first, json);
    return POLICY_OK;
}

/* status, body, headers → {"status": …, "body": …, "headers": {…}}; the server sends a body that is no text as JSON. */
static void write_reply(lua_State *L, int first, int len, struct json_out *json) {
    int status = len > 0 && lua_type(L, first) == LUA_TNUMBER ? (int)lua_tointeger(L, first) : 0;
    if (status < 200 || status > 599) luaL_error(L, "a route returns status, body, headers: no status from 200 to 599");
    buffer_printf(json->out, "{\"status\":%d", status);
    if (len > 1 && !lua_isnil(L, first + 1)) {
        buffer_append_str(json->out, ",\"body\":");
        write(L, first + 1, json);
    }
    if (len > 2 && !lua_isnil(L, first + 2)) {
        luaL_checktype(L, first + 2, LUA_TTABLE);
        buffer_append_str(json->out, ",\"headers\":");
        write(L, first + 2, json);
    }
    buffer_append_char(json->out, '}');
}

/* A value → the value; nil, status, body, headers → write_reply's output; nothing without a status. */
static enum policy_status write_passed(lua_State *L, int first, int len, struct json_out *json) {
    if (len > 0 && lua_toboolean(L, first)) {
        write(L, first, json);
        return POLICY_OK;
    }
    if (len > 1) write_reply(L, first + 1, len - 1, json);
    return POLICY_REFUSED;
}

static enum policy_status write_answer(lua_State *L, enum policy_point point, int first, int len,
                                       struct json_out *json) {
    switch (point) {
        case POLICY_AUTHENTICATE:
            return write_user(L, first, len, json);
        case POLICY_CONNECT:
        case POLICY_OPEN:
            if (len == 0 || lua_toboolean(L, first)) return POLICY_OK;
            write_refusal(L, first, len, json);
            return POLICY_REFUSED;
        case POLICY_EVENT:
            if (!script_json_pull_array(L, first, first + len - 1, json))
                luaL_error(L, "cannot send what was returned: %s", json->problem);
            return POLICY_OK;
        case POLICY_SERVER_EVENT:
            if (len == 0 || lua_isnil(L, first)) return POLICY_REFUSED;
            write(L, first, json);
            return POLICY_OK;
        case POLICY_ROUTE_HEAD:
            return write_passed(L, first, len, json);
        case POLICY_ROUTE:
            write_reply(L, first, len, json);
            return POLICY_OK;
        default:
            return POLICY_OK;
    }
}

static void ended(void *asker, lua_State *L, int first, int len) {
    struct hook_call *hook_call = asker;
    if (len < 0 || !hook_call->call) {
        enum policy_status status = len == TASK_UNKNOWN ? POLICY_UNKNOWN
                                    : len == TASK_CUT   ? POLICY_UNAVAILABLE
                                                        : POLICY_SCRIPT_ERROR;
        answer(hook_call, &(struct policy_answer){.status = status});
        return;
    }
    struct vm *vm = vm_of(L);
    struct json_out json = {.out = &vm->out, .max_bytes = BIND_OUT_MAX, .attachments_max = JSON_ATTACHMENTS_MAX};
    buffer_clear(&vm->out);
    enum policy_status status = write_answer(L, hook_call->point, first, len, &json);
    struct buffer out = bind_take(L);
    answer(hook_call, &(struct policy_answer){.status = status,
                                              .json = buffer_slice(&out),
                                              .attachments = json.attachments,
                                              .attachments_len = json.attachments_len});
    bind_release(vm, &out);
}

void hook_call_forget(struct policy_call *call) {
    struct hook_call *hook_call = call->task;
    hook_call->call = NULL;
    call->task = NULL;
}

static size_t weight_of(const struct script_state *scripts, const struct policy_call *call) {
    size_t bytes = script_json_weight(call->json);
    if (bytes > LIGHT_BYTES && call->point == POLICY_EVENT &&
        script_state_handler(scripts, call->namespace_name, call->name)->raw)
        bytes = call->json.len;
    if (bytes == SIZE_MAX) return bytes;
    for (unsigned i = 0; i < call->attachments_len; i++) bytes += call->attachments[i].len;
    return bytes + call->data.len;
}

/* Clients' input takes the state's memory until the call is answered: limits one call and all calls together. OK: the
 * call may start. */
static enum policy_status admit(const struct script_state *scripts, enum policy_point point, size_t bytes) {
    size_t memory_bytes = scripts->vm->settings.memory_bytes;
    if (fault_planted("unbounded_conversion")) return POLICY_OK;
    if (bytes > memory_bytes / CALL_PART) return POLICY_TOO_LARGE;
    if (bytes > STRANGER_BYTES && point == POLICY_AUTHENTICATE) return POLICY_TOO_LARGE;
    size_t part = bytes > LIGHT_BYTES ? CALLS_PART : LIGHT_CALLS_PART;
    return scripts->asked_bytes + bytes > memory_bytes / part ? POLICY_UNAVAILABLE : POLICY_OK;
}

void hook_call_ask(struct script_state *scripts, struct policy_call *call) {
    if (!hook_call_handled(scripts, call->point, call->namespace_name, call->name)) {
        call->done(call, &(struct policy_answer){.status = POLICY_NO_HANDLER});
        return;
    }
    size_t bytes = weight_of(scripts, call);
    enum policy_status admitted = admit(scripts, call->point, bytes);
    if (admitted != POLICY_OK) {
        call->done(call, &(struct policy_answer){.status = admitted});
        return;
    }
    struct hook_call *hook_call = NEW(struct hook_call);
    *hook_call = (struct hook_call){call, call->point, scripts, bytes};
    scripts->asked_bytes += bytes;
    call->task = hook_call;
    struct task_start start = {.what = points[call->point].what,
                               .detail = call->name,
                               .push = push_arguments,
                               .owner = call,
                               .ended = ended,
                               .asker = hook_call};
    if (!task_start(scripts->tasks, &start)) answer(hook_call, &(struct policy_answer){.status = POLICY_UNAVAILABLE});
}
