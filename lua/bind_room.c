/* SPDX-License-Identifier: Apache-2.0 */
/* Rooms: emitters, which are built by a chain of calls and end in emit. */
#include <lauxlib.h>
#include <stdio.h>

#include "channel/relay.h"
#include "channel/room.h"
#include "lua/bind_internal.h"
#include "lua/types.h"
#include "session/hub.h"
#include "session/socket.h"
#include "wire/socketio.h"
#include "worker/worker.h"

static const char EMITTER[] = "stoa.emitter";
enum { ROOMS_MAX = RELAY_ROOMS_MAX, ROOM_NAME_MAX = 128 };

/* The rooms of an emitter, one after another: kind, length, bytes. By value: a script may keep an emitter. */
enum { NAME_TO = 't', NAME_EXCEPT = 'x' };
struct emitter {
    char namespace_name[SOCKETIO_NAMESPACE_MAX + 1];
    enum packet_class class;
    unsigned count;
    struct buffer names;
};

static void add_name(lua_State *L, struct emitter *emitter, char kind, struct slice text) {
    if (text.len > ROOM_NAME_MAX) luaL_error(L, "a room's name has at most %d bytes", ROOM_NAME_MAX);
    if (emitter->count == ROOMS_MAX) luaL_error(L, "more than %d rooms", ROOMS_MAX);
    emitter->count++;
    buffer_append_char(&emitter->names, kind);
    buffer_append_char(&emitter->names, (char)text.len);
    buffer_append_slice(&emitter->names, text);
}

/* A room or a list of rooms at index. */
static void add_names(lua_State *L, int index, struct emitter *emitter, char kind) {
    if (!lua_istable(L, index)) {
        add_name(L, emitter, kind, bind_text(L, index));
        return;
    }
    for (int i = 1; i <= (int)lua_objlen(L, index); i++) {
        lua_rawgeti(L, index, i);
        add_name(L, emitter, kind, bind_text(L, -1));
        lua_pop(L, 1);
    }
}

static int emitter_collect(lua_State *L) {
    struct emitter *emitter = lua_touserdata(L, 1);
    buffer_done(&emitter->names);
    return 0;
}

static struct emitter *emitter_new(lua_State *L, struct slice namespace_name) {
    struct emitter *emitter = types_new(L, EMITTER, sizeof *emitter);
    emitter->class = PACKET_MESSAGE;
    snprintf(emitter->namespace_name, sizeof emitter->namespace_name, "%.*s", SLICE_ARG(namespace_name));
    return emitter;
}

void bind_room_push_emitter(lua_State *L, struct slice namespace_name, struct slice room, struct slice without) {
    struct emitter *emitter = emitter_new(L, namespace_name);
    if (room.len > 0) add_name(L, emitter, NAME_TO, room);
    if (without.len > 0) add_name(L, emitter, NAME_EXCEPT, without);
}

/* The emitter that a method is called on, or a new one for the namespace. */
static struct emitter *start(lua_State *L) {
    struct emitter *emitter = types_test(L, 1, EMITTER);
    if (emitter) {
        lua_pushvalue(L, 1);
        lua_remove(L, 1);
        return emitter;
    }
    return emitter_new(L, bind_text(L, lua_upvalueindex(1)));
}

/* Adds target rooms; each socket gets an event once.
 * @function stoa.to
 * @param room a name, or a list of names; a socket's id is a room too
 * @return an emitter, on which to, except, volatile, presence_class, emit and send can be called
 * @example stoa.to("lobby"):except(socket.id):emit("hello", {from = socket.user.id}) */
static int to(lua_State *L) {
    struct emitter *emitter = start(L);
    add_names(L, 1, emitter, NAME_TO);
    return 1;
}

/* Excludes the members of rooms.
 * @function stoa.except
 * @param room a name, or a list of names
 * @return an emitter
 * @example stoa.except("muted"):emit("news", text) */
int bind_room_except(lua_State *L) {
    struct emitter *emitter = start(L);
    add_names(L, 1, emitter, NAME_EXCEPT);
    return 1;
}

/* Marks the event as volatile: a slow or absent client may miss it.
 * @function stoa.volatile
 * @return an emitter
 * @example stoa.volatile():to("lobby"):emit("cursor", x, y) */
int bind_room_volatile(lua_State *L) {
    start(L)->class = PACKET_VOLATILE;
    return 1;
}

/* Marks the event as presence: it is shed before messages are.
 * @function stoa.presence_class
 * @return an emitter
 * @example stoa.presence_class():to("lobby"):emit("presence:changed", changes) */
static int set_presence(lua_State *L) {
    start(L)->class = PACKET_PRESENCE;
    return 1;
}

static size_t gather(const struct emitter *emitter, char kind, struct slice *names) {
    size_t len = 0;
    const char *end = slice_end(buffer_slice(&emitter->names)); /* NULL: the emitter has no rooms */
    for (const char *at = emitter->names.ptr; at < end; at += 2 + (unsigned char)at[1])
        if (at[0] == kind) names[len++] = (struct slice){at + 2, (unsigned char)at[1]};
    return len;
}

/* Sends an event to all sockets that the emitter reaches, on every worker; without a room, to all of the namespace.
 * @function stoa.emit
 * @param event the name
 * @param … the arguments
 * @return how many sockets of this worker got it
 * @example stoa.to("lobby"):emit("news", {text = "hello"}) */
int bind_room_emit(lua_State *L) {
    const struct emitter *emitter = start(L);
    struct worker *worker = script_state_worker(L);
    struct slice rooms[ROOMS_MAX], excepted[ROOMS_MAX];
    bind_check_event(L, 1);
    /* The emitter is on top, after the arguments. */
    struct json_out json = bind_json(L, 1, lua_gettop(L) - 1, JSON_ATTACHMENTS_MAX);
    struct buffer args = bind_take(L);
    size_t to_len = gather(emitter, NAME_TO, rooms), except_len = gather(emitter, NAME_EXCEPT, excepted);
    size_t reached =
        relay_emit(worker->channels.relay, &(struct room_emit){.namespace_name = slice_of(emitter->namespace_name),
                                                               .to = rooms,
                                                               .to_len = to_len,
                                                               .except = excepted,
                                                               .except_len = except_len,
                                                               .class = emitter->class,
                                                               .args = buffer_slice(&args),
                                                               .attachments = json.attachments,
                                                               .attachments_len = json.attachments_len,
                                                               .unlogged = emitter->class == PACKET_VOLATILE});
    bind_release(vm_of(L), &args);
    lua_pushinteger(L, (lua_Integer)reached);
    return 1;
}

/* Sends one text or binary to all clients that the emitter reaches: unchanged to clients of stoa.websocket, as an
 * emitted event "message" to Socket.IO clients. Clients of stoa.websocket also get emitted events of other names, as
 * the JSON text that clients of /ws get.
 * @function stoa.send
 * @param message a string, or a stoa.binary
 * @return how many clients of this worker got it
 * @example stoa.to("lobby"):send("hello") */
static int emitter_send(lua_State *L) {
    int message = types_test(L, 1, EMITTER) ? 2 : 1;
    struct slice bytes;
    bind_connection_message(L, message, &bytes);
    lua_settop(L, message);
    lua_pushliteral(L, "message");
    lua_insert(L, message);
    return bind_room_emit(L);
}

static const luaL_Reg methods[] = {{"to", to},
                                   {"except", bind_room_except},
                                   {"volatile", bind_room_volatile},
                                   {"presence_class", set_presence},
                                   {"emit", bind_room_emit},
                                   {"send", emitter_send},
                                   {NULL, NULL}};

void bind_room_namespace(lua_State *L, const char *namespace_name) {
    for (const luaL_Reg *method = methods; method->name; method++) {
        lua_pushstring(L, namespace_name);
        lua_pushcclosure(L, method->func, 1);
        lua_setfield(L, -2, method->name);
    }
}

void bind_room(lua_State *L) {
    types_class(L, EMITTER, methods, NULL, emitter_collect);
}
