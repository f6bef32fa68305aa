/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: a script holds an id; calls on a socket that has gone return nil, "gone". */
#include <lauxlib.h>
#include <stdlib.h>
#include <time.h>

#include "base/ids.h"
#include "lua/bind_internal.h"
#include "lua/types.h"
#include "lua/vm.h"
#include "session/hub.h"
#include "session/socket.h"
#include "session/socket_call.h"
#include "session/socket_rooms.h"
#include "wire/json.h"
#include "wire/socketio.h"
#include "worker/worker.h"

static const char SOCKET[] = "stoa.socket", VOLATILE[] = "stoa.volatile_socket", USER_JSON[] = "user as JSON";
static const char sockets_key; /* registry key: table of sockets by id */
enum { CALL_TIMEOUT_MS = 5000, CALL_TIMEOUT_MAX_MS = 120000 };

struct socket_name {
    unsigned len, generation; /* generation: of the environment's values */
    char text[ID_SESSION_LEN + 1];
};

static void set_name(struct socket_name *name, struct slice id) {
    name->len = (unsigned)(id.len < sizeof name->text ? id.len : sizeof name->text - 1);
    memcpy(name->text, id.ptr, name->len);
}

/* Gives the value on top an environment with the socket's current identity. */
static void describe(lua_State *L, struct socket_name *name, struct socket *socket) {
    struct slice user = socket_user_id(socket), json = socket_user(socket), namespace_name = socket_namespace(socket);
    name->generation = socket_generation(socket);
    lua_createtable(L, 0, 4);
    if (user.len > 0) {
        lua_pushlstring(L, json.ptr, json.len);
        lua_setfield(L, -2, USER_JSON);
    }
    lua_pushlstring(L, user.ptr, user.len);
    lua_setfield(L, -2, "user_id");
    lua_pushlstring(L, namespace_name.ptr, namespace_name.len);
    lua_setfield(L, -2, "namespace");
    lua_setfenv(L, -2);
}

/* One Lua value per socket, in a table with weak values, as long as a script holds it. It holds the id; its environment
 * keeps the user, decoded on first use, even after the client has gone. A socket that comes back with another user or
 * token gets a new environment. */
void bind_socket_push(lua_State *L, struct socket *socket) {
    struct slice id = socket_id(socket);
    vm_push_kept(L, &sockets_key);
    lua_pushlstring(L, id.ptr, id.len);
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    if (!lua_isnil(L, -1)) {
        lua_replace(L, -3);
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    struct socket_name *name = types_new(L, SOCKET, sizeof *name);
    set_name(name, id);
    describe(L, name, socket);
    lua_pushvalue(L, -1);
    lua_insert(L, -4);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

struct slice bind_socket_id_at(lua_State *L, int index) {
    const struct socket_name *name = types_test(L, index, SOCKET);
    if (!name) name = types_check(L, index, VOLATILE);
    return (struct slice){name->text, name->len};
}

struct socket *bind_socket_at(lua_State *L, int index) {
    struct slice id = bind_socket_id_at(L, index);
    return hub_find(script_state_worker(L)->hub, id);
}

/* A socket whose client is connected: only it can answer. */
static struct socket *connected_at(lua_State *L, int index) {
    struct slice id = bind_socket_id_at(L, index);
    return hub_find_connected(script_state_worker(L)->hub, id);
}

static int gone(lua_State *L) {
    return bind_fail(L, "gone");
}

/* ---- fields ---- */

/* The user, which the socket's environment keeps decoded from now on. */
static void push_user(lua_State *L) {
    struct slice json = bind_field(L, -2, USER_JSON);
    lua_getfenv(L, 1);
    if (json.len > 0)
        script_json_push(L, json, NULL, 0);
    else
        lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "user");
}

/* id, user, user_id, namespace stay when the client has gone; upvalue: the methods. */
static int socket_index(lua_State *L) {
    struct slice id = bind_socket_id_at(L, 1), key = bind_text(L, 2);
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    if (!lua_isnil(L, -1)) return 1;
    if (slice_is(key, "id")) {
        lua_pushlstring(L, id.ptr, id.len);
        return 1;
    }
    struct socket *socket = hub_find(script_state_of(L)->worker->hub, id);
    struct socket_name *name = types_test(L, 1, SOCKET);
    if (socket && name && name->generation != socket_generation(socket)) {
        lua_pushvalue(L, 1);
        describe(L, name, socket);
    }
    lua_getfenv(L, 1);
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    if (!lua_isnil(L, -1)) return 1;
    if (slice_is(key, "connected"))
        lua_pushboolean(L, socket && socket_is_connected(socket));
    else if (slice_is(key, "recovered"))
        lua_pushboolean(L, socket && socket_recovered(socket));
    else if (slice_is(key, "handshake") && socket)
        script_json_push(L, socket_handshake(socket), NULL, 0);
    else if (slice_is(key, "user"))
        push_user(L);
    return 1;
}

/* ---- methods ---- */

static int emit_as(lua_State *L, enum packet_class class) {
    struct socket *socket = bind_socket_at(L, 1);
    bind_check_event(L, 2);
    struct json_out json = bind_json(L, 2, lua_gettop(L), JSON_ATTACHMENTS_MAX);
    if (!socket) return gone(L);
    struct buffer args = bind_take(L);
    bool sent = socket_emit(socket, buffer_slice(&args), json.attachments, json.attachments_len, class);
    bind_release(vm_of(L), &args);
    return sent ? bind_true(L) : bind_fail(L, "bad_request");
}

/* Sends an event to this client.
 * @function socket:emit
 * @param event the name
 * @param … the arguments
 * @return true
 * @error gone
 * @example socket:emit("welcome", {name = socket.user.id}) */
static int emit(lua_State *L) {
    return emit_as(L, PACKET_MESSAGE);
}

static int emit_volatile(lua_State *L) {
    return emit_as(L, PACKET_VOLATILE);
}

/* An emitter to this client; a slow client may miss its event.
 * @function socket:volatile
 * @return an object with emit
 * @example socket:volatile():emit("cursor", x, y) */
static int volatile_socket(lua_State *L) {
    struct slice id = bind_socket_id_at(L, 1);
    set_name(types_new(L, VOLATILE, sizeof(struct socket_name)), id);
    return 1;
}

struct client_answer {
    enum socket_call_status status;
    struct slice json;
    const struct slice *attachments;
    unsigned attachments_len;
};

static int push_client_answer(lua_State *L, void *owner) {
    const struct client_answer *answer = owner;
    if (answer->status != SOCKET_CALL_OK) return bind_fail(L, answer->status == SOCKET_CALL_GONE ? "gone" : "timeout");
    struct json_walk walk;
    struct slice item;
    int len = 0;
    json_walk_init(&walk, answer->json);
    for (; len < TASK_RESULTS_MAX && json_walk_item(&walk, &item); len++)
        script_json_push(L, item, answer->attachments, answer->attachments_len);
    return len;
}

static void client_answered(void *owner, enum socket_call_status status, struct slice json,
                            const struct slice *attachments, unsigned attachments_len) {
    struct task_ticket *ticket = owner;
    struct client_answer answer = {status, json, attachments, attachments_len};
    task_answer(&ticket, push_client_answer, &answer);
}

static int refuse_call(lua_State *L, void *owner) {
    (void)owner;
    return bind_fail(L, "overloaded");
}

/* A last argument {timeout_ms = n} and nothing else in it is the option. */
static unsigned take_timeout(lua_State *L) {
    double timeout = CALL_TIMEOUT_MS;
    if (lua_gettop(L) > 2 && lua_istable(L, -1)) {
        bind_push_field(L, -1, "timeout_ms");
        bool given = lua_type(L, -1) == LUA_TNUMBER;
        if (given) timeout = lua_tonumber(L, -1);
        lua_pop(L, given ? 2 : 1);
    }
    if (!(timeout >= 1 && timeout <= CALL_TIMEOUT_MAX_MS))
        luaL_error(L, "timeout_ms: 1 to %d expected", CALL_TIMEOUT_MAX_MS);
    return (unsigned)timeout;
}

/* Sends an event and waits for the client's acknowledgement.
 * @function socket:call
 * @param event the name
 * @param … the arguments; a last one {timeout_ms = 5000} is the option
 * @return what the client answered (at most 16 values); waits
 * @error gone (also if the client is away and may come back), timeout, overloaded
 * @example local answer, word = socket:call("are you there?", {timeout_ms = 1000}) */
static int call(lua_State *L) {
    struct socket *socket = connected_at(L, 1);
    bind_check_event(L, 2);
    unsigned timeout_ms = take_timeout(L);
    struct json_out json = bind_json(L, 2, lua_gettop(L), JSON_ATTACHMENTS_MAX);
    if (!socket) return gone(L);
    struct task_ticket *ticket = task_begin_wait(L);
    struct buffer args = bind_take(L);
    bool asked = socket_ask(socket, buffer_slice(&args), json.attachments, json.attachments_len, timeout_ms,
                            client_answered, ticket);
    bind_release(vm_of(L), &args);
    if (!asked) task_answer(&ticket, refuse_call, NULL);
    return task_wait(L, timeout_ms + 1000);
}

/* Puts the socket into a room.
 * @function socket:join
 * @param room a name of at most 128 bytes
 * @return true
 * @error gone, too_many_rooms
 * @example socket:join("team:" .. socket.user.team) */
static int join(lua_State *L) {
    struct socket *socket = bind_socket_at(L, 1);
    struct slice room = bind_text(L, 2);
    if (!socket) return gone(L);
    return socket_join(socket, room) ? bind_true(L) : bind_fail(L, "too_many_rooms");
}

/* Takes the socket out of a room.
 * @function socket:leave
 * @param room a name
 * @return true
 * @error gone
 * @example socket:leave("team:red") */
static int leave(lua_State *L) {
    struct socket *socket = bind_socket_at(L, 1);
    struct slice room = bind_text(L, 2);
    if (!socket) return gone(L);
    socket_leave(socket, room);
    return bind_true(L);
}

static void add_room(void *owner, struct slice room) {
    buffer_append_char(owner, ((struct buffer *)owner)->len > 0 ? ',' : '[');
    json_write_string(owner, room);
}

/* The rooms that the socket is in, that of its own id among them.
 * @function socket:rooms
 * @return a list of names
 * @error gone
 * @example for _, room in ipairs(socket:rooms()) do … end */
static int rooms(lua_State *L) {
    struct socket *socket = bind_socket_at(L, 1);
    if (!socket) return gone(L);
    struct buffer *out = &vm_of(L)->out;
    buffer_clear(out);
    socket_each_room(socket, add_room, out);
    buffer_append_str(out, out->len > 0 ? "]" : "[]");
    script_json_push(L, buffer_slice(out), NULL, 0);
    return 1;
}

static int push_emitter(lua_State *L, struct slice room) {
    lua_getfenv(L, 1);
    lua_getfield(L, -1, "namespace");
    bind_room_push_emitter(L, bind_text(L, -1), room, bind_socket_id_at(L, 1));
    return 1;
}

/* An emitter to a room, without this socket.
 * @function socket:to
 * @param room a name
 * @return an emitter
 * @example socket:to("lobby"):emit("typing", {userId = socket.user.id}) */
static int to(lua_State *L) {
    types_check(L, 1, SOCKET);
    return push_emitter(L, bind_text(L, 2));
}

/* An emitter to all of the namespace, without this socket.
 * @function socket:broadcast
 * @return an emitter
 * @example socket:broadcast():emit("joined", socket.user.id) */
static int broadcast(lua_State *L) {
    types_check(L, 1, SOCKET);
    return push_emitter(L, SLICE_NONE);
}

/* Ends the socket: the client does not reconnect by itself.
 * @function socket:disconnect
 * @return true
 * @error gone
 * @example socket:disconnect() */
static int disconnect(lua_State *L) {
    struct socket *socket = bind_socket_at(L, 1);
    if (!socket) return gone(L);
    socket_disconnect(socket);
    return bind_true(L);
}

/* Closes the client's connection: it reconnects.
 * @function socket:close
 * @return true
 * @error gone
 * @example socket:close() */
static int close_transport(lua_State *L) {
    struct socket *socket = bind_socket_at(L, 1);
    if (!socket) return gone(L);
    socket_close(socket, CLOSE_FORCED);
    return bind_true(L);
}

/* Unix seconds, or a time as events and the store write it. */
static double time_at(lua_State *L, int index) {
    struct tm parts = {0};
    double seconds = -1;
    if (lua_type(L, index) == LUA_TNUMBER)
        seconds = lua_tonumber(L, index);
    else if (strptime(luaL_checkstring(L, index), "%Y-%m-%dT%H:%M:%S", &parts))
        seconds = (double)timegm(&parts);
    luaL_argcheck(L, seconds >= 0 && seconds < 1e11, index, "a time expected");
    return seconds;
}

/* Sets the time at which the session ends: the expiry of its token.
 * @function socket:expires
 * @param time Unix seconds, or text like 2026-01-31T12:00:00.000Z; nil: never
 * @return true
 * @error gone
 * @example socket:expires(socket.user.expires) */
static int expires(lua_State *L) {
    struct socket *socket = bind_socket_at(L, 1);
    double seconds = lua_isnoneornil(L, 2) ? 0 : time_at(L, 2);
    if (!socket) return gone(L);
    socket_expires(socket, (uint64_t)(seconds * 1000));
    return bind_true(L);
}

/* A small value that a script stored with the socket; a recovered session still has it.
 * @function socket:state
 * @return the value, or nil
 * @error gone
 * @example local seen = socket:state() or {} */
static int state(lua_State *L) {
    struct socket *socket = bind_socket_at(L, 1);
    if (!socket) return gone(L);
    script_json_push_given(L, socket_state(socket));
    return 1;
}

/* Stores a value with the socket: at most 4 KiB as JSON.
 * @function socket:set_state
 * @param value any JSON value; nil or stoa.null: none
 * @return true
 * @error gone, too_large
 * @example socket:set_state{language = "el"} */
static int set_state(lua_State *L) {
    struct socket *socket = bind_socket_at(L, 1);
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = BIND_OUT_MAX};
    luaL_checkany(L, 2);
    buffer_clear(json.out);
    if (!script_json_pull(L, 2, &json)) return luaL_error(L, "cannot keep %s", json.problem);
    if (!socket) return gone(L);
    return socket_set_state(socket, buffer_slice(json.out)) ? bind_true(L) : bind_fail(L, "too_large");
}

/* A socket by its id.
 * @function stoa.socket
 * @param id as in socket.id
 * @return the socket
 * @error gone
 * @example local socket = stoa.socket(id) */
static int find(lua_State *L) {
    struct socket *socket = hub_find(script_state_worker(L)->hub, bind_text(L, 1));
    if (!socket) return gone(L);
    bind_socket_push(L, socket);
    return 1;
}

void bind_socket(lua_State *L) {
    static const luaL_Reg methods[] = {{"emit", emit},
                                       {"volatile", volatile_socket},
                                       {"call", call},
                                       {"join", join},
                                       {"leave", leave},
                                       {"rooms", rooms},
                                       {"to", to},
                                       {"broadcast", broadcast},
                                       {"disconnect", disconnect},
                                       {"close", close_transport},
                                       {"expires", expires},
                                       {"claim", bind_claim_method},
                                       {"state", state},
                                       {"set_state", set_state},
                                       {NULL, NULL}};
    static const luaL_Reg volatile_methods[] = {{"emit", emit_volatile}, {NULL, NULL}};
    types_class(L, SOCKET, methods, socket_index, NULL);
    types_class(L, VOLATILE, volatile_methods, NULL, NULL);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    vm_keep(L, &sockets_key);
    lua_pushcfunction(L, find);
    lua_setfield(L, -2, "socket");
}
