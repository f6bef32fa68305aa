/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints of scripts: Engine.IO without Socket.IO, raw WebSockets, and their clients. A script holds a client's id;
 * if the client has gone, calls return nil, "gone". */
#include <lauxlib.h>
#include <string.h>

#include "base/ids.h"
#include "config/config.h"
#include "lua/bind_internal.h"
#include "lua/types.h"
#include "session/script_connection.h"
#include "wire/http_head.h"
#include "wire/utf8.h"
#include "wire/websocket_reader.h"
#include "worker/worker.h"

static const char CONNECTION[] = "stoa.connection";
enum { PATH_MAX_LEN = 256, PROTOCOLS_MAX = 16, PROTOCOL_MAX_LEN = 64, MESSAGE_MAX = 64 << 20, TIME_MAX_MS = 600000 };

struct connection_name {
    char text[ID_SESSION_LEN + 1];
};

/* ---- what scripts register ---- */

/* A function of the table at 2. */
static int take_handler(lua_State *L, const char *name, bool needed) {
    bind_push_field(L, 2, name);
    if (lua_isnil(L, -1) && !needed) {
        lua_pop(L, 1);
        return LUA_NOREF;
    }
    if (!lua_isfunction(L, -1)) luaL_error(L, "%s: a function expected", name);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Rejects unknown names: a misspelt handler would never be called. */
static void check_names(lua_State *L, const char *const *names) {
    lua_pushnil(L);
    while (lua_next(L, 2)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        const char *const *known = names;
        while (*known && strcmp(*known, key) != 0) known++;
        if (!*known) luaL_error(L, "no option '%s'", key);
        lua_pop(L, 1);
    }
}

void bind_connection_check_protocol(lua_State *L, int index) {
    if (lua_type(L, index) != LUA_TSTRING) luaL_error(L, "protocols: strings expected");
    struct slice name = bind_text(L, index);
    bool token = name.len > 0 && name.len <= PROTOCOL_MAX_LEN;
    for (size_t i = 0; token && i < name.len; i++) token = http_head_is_token_char((unsigned char)name.ptr[i]);
    if (!token) luaL_error(L, "protocols: tokens of 1 to %d characters expected", PROTOCOL_MAX_LEN);
}

/* The texts live in the list of the table at 2, which the registry keeps. */
static void take_protocols(lua_State *L, struct hub_endpoint *of) {
    bind_push_field(L, 2, "protocols");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    size_t len = lua_objlen(L, -1);
    if (len > PROTOCOLS_MAX) luaL_error(L, "protocols: at most %d", PROTOCOLS_MAX);
    const char **protocols = lua_newuserdata(L, PROTOCOLS_MAX * sizeof *protocols);
    for (size_t i = 0; i < len; i++) {
        lua_rawgeti(L, -2, (int)i + 1);
        bind_connection_check_protocol(L, -1);
        protocols[i] = lua_tostring(L, -1);
        luaL_ref(L, LUA_REGISTRYINDEX);
    }
    of->protocols = protocols;
    of->protocols_len = len;
    luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
}

static unsigned time_field(lua_State *L, const char *name) {
    double ms = bind_number_field(L, 2, name, 0);
    if (!(ms >= 0 && ms <= TIME_MAX_MS)) luaL_error(L, "%s: at most %d", name, TIME_MAX_MS);
    return (unsigned)ms;
}

static void take_limits(lua_State *L, struct hub_endpoint *of) {
    double max_bytes = bind_number_field(L, 2, "max_bytes", 0);
    luaL_argcheck(L, max_bytes >= 0 && max_bytes <= MESSAGE_MAX, 2, "max_bytes: at most 64 MiB");
    of->max_message_bytes = (size_t)max_bytes;
    of->ping_interval_ms = time_field(L, "ping_interval_ms");
    of->ping_timeout_ms = time_field(L, "ping_timeout_ms");
    bind_push_field(L, 2, "deflate");
    of->deflate = lua_isnil(L, -1) ? -1 : lua_toboolean(L, -1);
    lua_pop(L, 1);
}

/* The server's own paths come first: the script's handler would never be called. */
static bool is_own(const struct config *config, const char *path) {
    size_t len = strlen(config->path);
    while (len > 0 && config->path[len - 1] == '/') len--;
    return strcmp(path, config->plain_path) == 0 || (strncmp(path, config->path, len) == 0 && path[len] == '/');
}

/* Its texts are kept as long as the registry keeps them: until the script_state is freed. */
static int add_endpoint(lua_State *L, bool raw) {
    struct script_state *scripts = script_state_loading(L);
    struct slice path = bind_text(L, 1);
    luaL_argcheck(L, path.len > 1 && path.ptr[0] == '/' && path.len <= PATH_MAX_LEN && strlen(path.ptr) == path.len, 1,
                  "a path expected");
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    if (is_own(scripts->config, path.ptr)) return luaL_error(L, "'%s' is the server's own", path.ptr);
    if (script_state_endpoint(scripts, path)) return luaL_error(L, "'%s' is there already", path.ptr);
    size_t count = 0;
    LIST_EACH(&scripts->registered.endpoints, link) count++;
    if (count >= SCRIPT_STATE_ENDPOINTS_MAX) return luaL_error(L, "more than %d endpoints", SCRIPT_STATE_ENDPOINTS_MAX);
    struct script_endpoint item = {.of = {.path = path.ptr, .raw = raw, .deflate = -1}};
    if (raw) take_protocols(L, &item.of);
    if (raw) take_limits(L, &item.of);
    item.open = take_handler(L, "open", false);
    item.message = take_handler(L, "message", true);
    item.close = take_handler(L, "close", false);
    lua_pushvalue(L, 1);
    luaL_ref(L, LUA_REGISTRYINDEX);
    struct script_endpoint *kept = NEW(struct script_endpoint);
    *kept = item;
    list_append(&scripts->registered.endpoints, &kept->link);
    return 0;
}

/* A bare Engine.IO endpoint for all paths below a path. Handlers as in stoa.websocket; the request has no protocol.
 * @function stoa.engine
 * @param path "/engine.io/"
 * @param handlers {message = function(connection, data) end, open?, close?}
 * @example stoa.engine("/engine.io/", {message = function(connection, data) connection:send(data) end}) */
static int engine(lua_State *L) {
    static const char *const names[] = {"open", "message", "close", NULL};
    luaL_checktype(L, 2, LUA_TTABLE);
    check_names(L, names);
    return add_endpoint(L, false);
}

/* A WebSocket endpoint with the script's own messages. message is called for each message of a connection, one at a
 * time and in order; data is a string (text) or a stoa.binary. open is called first; it refuses by returning nil,
 * message: the connection then ends with 1008 and the message as the reason. request has path, query, headers, address,
 * secure, time, and protocol, the subprotocol: the first that the client offers and protocols lists (nil if none
 * matches; the connection is still made). close is called when the connection has ended, unless open refused it, with
 * the code and reason of the Close frame (1005: it had no code; 1006: there was no Close frame). max_bytes, deflate and
 * the ping times replace the configuration's (max_payload_bytes, …) for this path.
 * @function stoa.websocket
 * @param path "/feed", exactly
 * @param handlers {message = function(connection, data) end, open = function(connection, request) end?, close =
 * function(connection, code, reason) end?, protocols = {"v2", "v1"}?, max_bytes?, deflate?, ping_interval_ms?,
 * ping_timeout_ms?}
 * @error raises when the path is taken
 * @example stoa.websocket("/echo", {message = function(connection, data) connection:send(data) end}) */
static int websocket(lua_State *L) {
    static const char *const names[] = {"open",    "message",          "close",           "protocols", "max_bytes",
                                        "deflate", "ping_interval_ms", "ping_timeout_ms", NULL};
    lua_remove(L, 1); /* stoa.websocket itself */
    luaL_checktype(L, 2, LUA_TTABLE);
    check_names(L, names);
    return add_endpoint(L, true);
}

/* ---- connections ---- */

static struct slice name_at(lua_State *L) {
    const struct connection_name *name = types_check(L, 1, CONNECTION);
    return slice_of(name->text);
}

static int said(lua_State *L, bool was_there) {
    return was_there ? bind_true(L) : bind_fail(L, "gone");
}

bool bind_connection_message(lua_State *L, int index, struct slice *message_r) {
    if (types_binary(L, index, message_r)) return true;
    luaL_checktype(L, index, LUA_TSTRING);
    *message_r = bind_text(L, index);
    luaL_argcheck(L, utf8_valid(*message_r), index, "text must be UTF-8: bytes are a stoa.binary");
    return false;
}

/* Sends to the client. A slow client is closed with 1013 once session.outbox_bytes are queued for it.
 * @function connection:send
 * @param message a string of UTF-8, or a stoa.binary
 * @return true
 * @error gone
 * @example connection:send("hello") */
static int send(lua_State *L) {
    struct slice message;
    bool binary = bind_connection_message(L, 2, &message);
    return said(L, script_connection_send(script_state_worker(L)->hub, name_at(L), message, binary));
}

/* Closes the connection after sending what is queued.
 * @function connection:close
 * @param code 1000 when absent; 1001–1003, 1007–1009, 1011–1014, 3000–4999
 * @param reason a text of at most 123 bytes; may be left out
 * @return true
 * @error gone
 * @error raises for any other code: endpoints may not send it
 * @example connection:close(4001, "say hello first") */
static int close_connection(lua_State *L) {
    struct slice reason;
    uint16_t code = bind_connection_close_code(L, 2, &reason);
    return said(L, script_connection_close(script_state_worker(L)->hub, name_at(L), code, reason));
}

uint16_t bind_connection_close_code(lua_State *L, int index, struct slice *reason_r) {
    lua_Number code = luaL_optnumber(L, index, 1000);
    bool legal = code >= 0 && code < 65536 && code == (uint16_t)code && websocket_reader_code_legal((unsigned)code);
    luaL_argcheck(L, legal && code != 1010, index, "no code to close with");
    *reason_r = lua_isnoneornil(L, index + 1) ? SLICE_NONE : bind_text(L, index + 1);
    luaL_argcheck(L, reason_r->len <= WEBSOCKET_REASON_MAX && utf8_valid(*reason_r), index + 1,
                  "at most 123 bytes of UTF-8 expected");
    return (uint16_t)code;
}

/* Puts the connection into a room of the main namespace: it gets what stoa.to(room) sends and emits.
 * @function connection:join
 * @param room a name of at most 128 bytes
 * @return true
 * @error gone, too_many_rooms
 * @example connection:join("lobby") */
static int join(lua_State *L) {
    struct slice id = name_at(L), room = bind_text(L, 2);
    struct hub *hub = script_state_worker(L)->hub;
    if (!script_connection_is_there(hub, id)) return bind_fail(L, "gone");
    return script_connection_join(hub, id, room) ? bind_true(L) : bind_fail(L, "too_many_rooms");
}

/* Takes the connection out of a room.
 * @function connection:leave
 * @param room a name
 * @return true
 * @error gone
 * @example connection:leave("lobby") */
static int leave(lua_State *L) {
    return said(L, script_connection_leave(script_state_worker(L)->hub, name_at(L), bind_text(L, 2)));
}

/* id; upvalue: the methods. */
static int connection_index(lua_State *L) {
    struct slice id = name_at(L);
    if (slice_is(bind_text(L, 2), "id")) {
        lua_pushlstring(L, id.ptr, id.len);
        return 1;
    }
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return 1;
}

void bind_connection_push(lua_State *L, struct slice session_id) {
    struct connection_name *name = types_new(L, CONNECTION, sizeof *name);
    memcpy(name->text, session_id.ptr, session_id.len < ID_SESSION_LEN ? session_id.len : ID_SESSION_LEN);
}

void bind_connection(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"send", send}, {"close", close_connection}, {"join", join}, {"leave", leave}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"engine", engine}, {NULL, NULL}};
    types_class(L, CONNECTION, methods, connection_index, NULL);
    luaL_register(L, NULL, functions);
    lua_newtable(L);
    lua_pushcfunction(L, bind_dial_connect);
    lua_setfield(L, -2, "connect");
    types_freeze(L);
    lua_getmetatable(L, -1);
    lua_pushcfunction(L, websocket);
    lua_setfield(L, -2, "__call");
    lua_pop(L, 1);
    lua_setfield(L, -2, "websocket");
}
