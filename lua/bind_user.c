/* SPDX-License-Identifier: Apache-2.0 */
/* Users: stoa.user(id) holds only the id. */
#include <lauxlib.h>
#include <stdio.h>

#include "bus/fields.h"
#include "lua/bind_internal.h"
#include "lua/bind_presence.h"
#include "lua/said_reader.h"
#include "lua/types.h"
#include "session/hub.h"
#include "session/socket.h"
#include "store/store.h"
#include "wire/json.h"
#include "wire/user_id.h"
#include "worker/fleet.h"
#include "worker/worker.h"

static const char USER[] = "stoa.user";
enum { USERS_MAX = 1000 };

struct user_name {
    unsigned len; /* 0: malformed */
    char id[];
};

static struct slice id_at(lua_State *L, int index) {
    const struct user_name *name = types_check(L, index, USER);
    return (struct slice){name->id, name->len};
}

static struct store_request *request_for(lua_State *L, int op, bind_push *push, struct slice id) {
    struct store_request *request = bind_request(L, op, push);
    BIND_COPY(request, user_id, id);
    return request;
}

/* For requests whose only argument is the user. */
static int submit(lua_State *L, int op, bind_push *push) {
    struct slice id = id_at(L, 1);
    if (id.len == 0) return bind_fail(L, "bad_request");
    struct store_request *request = request_for(L, op, push, id);
    return bind_submit(L, &request);
}

static int push_first(lua_State *L, struct store_request *request) {
    struct json_walk walk;
    struct slice item;
    json_walk_init(&walk, buffer_slice(&request->json));
    if (!json_walk_item(&walk, &item)) return bind_fail(L, "not_found");
    script_json_push(L, item, NULL, 0);
    return 1;
}

/* The user's record in the store.
 * @function user:get
 * @return {userId, name, avatar?, lastSeen?}; waits
 * @error bad_request, not_found, unavailable
 * @example local profile = stoa.user("alice"):get() */
static int get(lua_State *L) {
    struct slice id = id_at(L, 1);
    if (id.len == 0) return bind_fail(L, "bad_request");
    struct store_request *request = bind_request(L, STORE_USERS, push_first);
    store_ids_add(request, id);
    return bind_submit(L, &request);
}

/* Creates the user or changes them.
 * @function user:put
 * @param what {name?, avatar?}
 * @return true; waits
 * @error bad_request, unavailable
 * @example stoa.user("alice"):put{name = "Alice"} */
static int put(lua_State *L) {
    luaL_checktype(L, 2, LUA_TTABLE);
    struct slice id = id_at(L, 1), name = bind_field(L, 2, "name"), avatar = bind_field(L, 2, "avatar");
    if (id.len == 0) return bind_fail(L, "bad_request");
    struct store_request *request = request_for(L, STORE_USER_PUT, bind_push_true, id);
    BIND_COPY(request, user.name, name);
    BIND_COPY(request, user.avatar, avatar);
    return bind_submit(L, &request);
}

/* Stores the user's own status until they change it. Pass it to the server, too: stoa.presence.update now,
 * stoa.presence.connected when they reconnect.
 * @function user:say
 * @param what {status?, statusMessage?, endsMs? (Unix milliseconds)}; without a status nothing is kept
 * @return true; waits
 * @error bad_request, unavailable
 * @example stoa.user(socket.user_id):say{status = "busy", statusMessage = "exam"} */
static int say(lua_State *L) {
    struct slice id = id_at(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct slice status = bind_field(L, 2, "status"), message = bind_field(L, 2, "statusMessage");
    double ends_ms = bind_number_field(L, 2, "endsMs", 0);
    if (id.len == 0 || !(ends_ms >= 0 && ends_ms < 9e15)) return bind_fail(L, "bad_request");
    struct store_request *request = request_for(L, STORE_WORD_PUT, bind_push_true, id);
    BIND_COPY(request, word.status, status);
    BIND_COPY(request, word.message, message);
    request->word.ends_ms = (int64_t)ends_ms;
    return bind_submit(L, &request);
}

/* The status that user:say stored last. Calls at the same time share one read of the store.
 * @function user:said
 * @return {userId, status, statusMessage?, endsMs?}; waits
 * @error bad_request, not_found (nothing, or it has ended), unavailable
 * @example stoa.presence.connected(socket, stoa.user(socket.user_id):said() or nil) */
static int said(lua_State *L) {
    struct slice id = id_at(L, 1);
    return id.len > 0 ? said_reader_ask(L, id) : bind_fail(L, "bad_request");
}

/* Records that the user was seen now.
 * @function user:seen
 * @return true; waits
 * @error bad_request, not_found, unavailable
 * @example stoa.user(socket.user.id):seen() */
static int seen(lua_State *L) {
    struct slice id = id_at(L, 1);
    if (id.len == 0) return bind_fail(L, "bad_request");
    struct store_request *request = bind_request(L, STORE_USERS_SEEN, bind_push_true);
    store_ids_add(request, id);
    return bind_submit(L, &request);
}

static int push_channels(lua_State *L, struct store_request *request) {
    int count = bind_push_raw(L, request);
    lua_pushboolean(L, request->partial_r);
    return count + 1;
}

/* The channels that the user is a member of.
 * @function user:channels
 * @return raw: [{channelId, name, visibility, seq, epoch, readSeq, unread (999 at most)}…]; and true if a part of the
 * store is away (those without seq, epoch and unread are there); waits
 * @error bad_request, unavailable
 * @example return {ok = true, channels = stoa.user(socket.user.id):channels()} */
static int channels(lua_State *L) {
    return submit(L, STORE_USER_CHANNELS, push_channels);
}

/* Ends the user's sockets, on every worker. Their clients reconnect, unless they are refused or told to stay away.
 * @function user:disconnect
 * @param which {session?, stay_away?}: only those whose user has this session; stock clients do not come back by
 * themselves
 * @return how many sockets of this worker
 * @error bad_request
 * @example stoa.user(request.params.user):disconnect{stay_away = true} */
static int disconnect(lua_State *L) {
    struct slice id = id_at(L, 1);
    struct fleet_ending ending = {.stays_away = false};
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TTABLE);
        ending.session = bind_field(L, 2, "session");
        bind_push_field(L, 2, "stay_away");
        ending.stays_away = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    if (id.len == 0 || ending.session.len > FLEET_SESSION_MAX) return bind_fail(L, "bad_request");
    lua_pushinteger(L, (lua_Integer)fleet_disconnect_user(script_state_worker(L), id, &ending));
    return 1;
}

/* The user's open connections.
 * @function user:connections
 * @return how many
 * @error bad_request
 * @example if stoa.user(user.id):connections() >= 5 then return nil, "too_many_connections" end */
static int connections(lua_State *L) {
    struct slice id = id_at(L, 1);
    if (id.len == 0) return bind_fail(L, "bad_request");
    lua_pushinteger(L, (lua_Integer)hub_user_sessions(script_state_worker(L)->hub, id));
    return 1;
}

/* Whether the user is online, on any worker, and their status.
 * @function user:presence
 * @return {userId, status, statusMessage?, lastSeen?}; and true if other workers may know better and cannot be heard,
 *   else false; waits if other workers must be asked
 * @error bad_request, timeout
 * @example local status = stoa.user("alice"):presence().status */
static int presence(lua_State *L) {
    struct slice id = id_at(L, 1);
    struct buffer *user_ids = &vm_of(L)->scratch;
    if (id.len == 0) return bind_fail(L, "bad_request");
    buffer_clear(user_ids);
    fields_add(user_ids, id);
    return bind_presence_ask(L, buffer_slice(user_ids), false);
}

/* Sends an event to all sockets of the user, on every worker.
 * @function user:emit
 * @param event the name
 * @param … the arguments
 * @return how many sockets of this worker
 * @error bad_request
 * @example stoa.user("alice"):emit("mention", {channelId = channel.id}) */
static int emit(lua_State *L) {
    struct slice id = id_at(L, 1);
    struct worker *worker = script_state_worker(L);
    bind_check_event(L, 2);
    struct json_out json = bind_json(L, 2, lua_gettop(L), JSON_ATTACHMENTS_MAX);
    if (id.len == 0) return bind_fail(L, "bad_request");
    struct buffer args = bind_take(L);
    size_t sent = fleet_emit_to_user(worker, &(struct fleet_news){.user_id = id,
                                                                  .args = buffer_slice(&args),
                                                                  .attachments = json.attachments,
                                                                  .attachments_len = json.attachments_len});
    bind_release(vm_of(L), &args);
    lua_pushinteger(L, (lua_Integer)sent);
    return 1;
}

static void add_id(void *owner, struct socket *socket) {
    struct buffer *ids = owner;
    buffer_append_slice(ids, socket_id(socket));
    buffer_append_char(ids, '\n');
}

/* The user's sockets on this worker, including disconnected ones that may come back (not `connected`).
 * @function user:sockets
 * @return a list of sockets
 * @error bad_request
 * @example for _, socket in ipairs(stoa.user("alice"):sockets()) do socket:leave("lobby") end */
static int sockets(lua_State *L) {
    struct slice id = id_at(L, 1);
    struct worker *worker = script_state_worker(L);
    struct buffer *ids = &vm_of(L)->out;
    int count = 0;
    if (id.len == 0) return bind_fail(L, "bad_request");
    buffer_clear(ids);
    hub_each_of_user(worker->hub, id, add_id, ids);
    lua_newtable(L);
    types_mark_array(L);
    for (size_t at = 0; at < ids->len;) {
        size_t len = (size_t)((char *)memchr(ids->ptr + at, '\n', ids->len - at) - (ids->ptr + at));
        struct socket *socket = hub_find(worker->hub, (struct slice){ids->ptr + at, len});
        at += len + 1;
        if (!socket) continue;
        bind_socket_push(L, socket);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* Users by their ids, at most 1000.
 * @function stoa.users
 * @param ids a list
 * @return raw: [{userId, name, avatar?, lastSeen?}…] of those that are known; waits
 * @error bad_request, unavailable
 * @example return {ok = true, users = stoa.users(request.userIds)} */
static int users(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t len = lua_objlen(L, 1);
    if (len > USERS_MAX) return bind_fail(L, "bad_request");
    for (size_t i = 1; i <= len; i++) {
        lua_rawgeti(L, 1, (int)i);
        if (lua_type(L, -1) != LUA_TSTRING || !user_id_valid(bind_text(L, -1))) return bind_fail(L, "bad_request");
        lua_pop(L, 1);
    }
    struct store_request *request = bind_request(L, STORE_USERS, bind_push_raw);
    for (size_t i = 1; i <= len; i++) {
        lua_rawgeti(L, 1, (int)i);
        store_ids_add(request, bind_text(L, -1));
        lua_pop(L, 1);
    }
    return bind_submit(L, &request);
}

static int user_index(lua_State *L) {
    struct slice id = id_at(L, 1), key = bind_text(L, 2);
    if (slice_is(key, "id")) {
        lua_pushlstring(L, id.ptr, id.len);
    } else if (slice_is(key, "valid")) {
        lua_pushboolean(L, id.len > 0);
    } else {
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(1));
    }
    return 1;
}

/* A user by id. Fields: id, valid. With a malformed id its calls return bad_request.
 * @function stoa.user
 * @param id 1 to 255 bytes of UTF-8 without control characters
 * @return the user
 * @example local alice = stoa.user("alice") */
static int user(lua_State *L) {
    struct slice id = SLICE_NONE;
    if (lua_type(L, 1) == LUA_TSTRING) id = bind_text(L, 1);
    bool valid = user_id_valid(id);
    struct user_name *name = types_new(L, USER, sizeof *name + (valid ? id.len : 0));
    if (!valid) return 1;
    name->len = (unsigned)id.len;
    memcpy(name->id, id.ptr, id.len);
    return 1;
}

/* True if the text is a valid user id.
 * @function stoa.is_user_id
 * @param value anything
 * @return true or false
 * @example if not stoa.is_user_id(request.params.user) then return 400 end */
static int is_user_id(lua_State *L) {
    lua_pushboolean(L, lua_type(L, 1) == LUA_TSTRING && user_id_valid(bind_text(L, 1)));
    return 1;
}

void bind_user(lua_State *L) {
    static const luaL_Reg methods[] = {{"get", get},
                                       {"put", put},
                                       {"seen", seen},
                                       {"say", say},
                                       {"said", said},
                                       {"channels", channels},
                                       {"disconnect", disconnect},
                                       {"connections", connections},
                                       {"presence", presence},
                                       {"emit", emit},
                                       {"sockets", sockets},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {{"user", user}, {"users", users}, {"is_user_id", is_user_id}, {NULL, NULL}};
    types_class(L, USER, methods, user_index, NULL);
    luaL_register(L, NULL, functions);
}
