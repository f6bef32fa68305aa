/* SPDX-License-Identifier: Apache-2.0 */
/* Channels: stoa.channel(id) holds only the id; each method is one request to the log, the store or the room. */
#include <lauxlib.h>
#include <stdlib.h>

#include "base/ids.h"
#include "channel/log.h"
#include "lua/bind_internal.h"
#include "lua/bind_presence.h"
#include "lua/types.h"
#include "presence/presence.h"
#include "presence/presence_sight.h"
#include "session/channel_follow.h"
#include "session/hub.h"
#include "session/socket.h"
#include "session/socket_rooms.h"
#include "wire/user_id.h"
#include "worker/fleet.h"
#include "worker/worker.h"

static const char CHANNEL[] = "stoa.channel";
enum { ID_MAX = 64, ROOM_MAX = 80, ONLINE_MAX = 1000 };

struct channel_name {
    unsigned len; /* 0: malformed */
    char id[ID_MAX];
};

struct slice bind_channel_id_at(lua_State *L, int index) {
    const struct channel_name *name = types_check(L, index, CHANNEL);
    return (struct slice){name->id, name->len};
}

static struct slice room_of(struct slice channel_id, char *text) {
    struct buffer name = {0};
    channel_room_name(&name, channel_id);
    struct slice room = {text, name.len < ROOM_MAX ? name.len : ROOM_MAX};
    memcpy(text, name.ptr, room.len);
    buffer_done(&name);
    return room;
}

bool bind_channel_is_followed(struct slice channel_id, struct socket *socket) {
    char room[ROOM_MAX];
    return socket_is_in(socket, room_of(channel_id, room));
}

static int bad_channel(lua_State *L) {
    return bind_fail(L, "bad_channel");
}

/* ---- follow ---- */

static void push_gap(lua_State *L, int64_t from, int64_t to, const char *reason) {
    lua_createtable(L, 0, 3);
    lua_pushnumber(L, (lua_Number)from);
    lua_setfield(L, -2, "from");
    lua_pushnumber(L, (lua_Number)to);
    lua_setfield(L, -2, "to");
    lua_pushstring(L, reason);
    lua_setfield(L, -2, "reason");
    lua_setfield(L, -2, "gap");
}

static void push_reset(lua_State *L, int64_t fork_seq, struct slice epoch) {
    lua_createtable(L, 0, 2);
    lua_pushnumber(L, (lua_Number)fork_seq);
    lua_setfield(L, -2, "forkSeq");
    lua_pushlstring(L, epoch.ptr, epoch.len);
    lua_setfield(L, -2, "epoch");
    lua_setfield(L, -2, "reset");
}

static int push_followed(lua_State *L, void *owner) {
    const struct channel_follow_result *result = owner;
    if (result->status != STORE_OK) return bind_fail(L, bind_store_word((int)result->status));
    lua_createtable(L, 0, 5);
    lua_pushnumber(L, (lua_Number)result->seq);
    lua_setfield(L, -2, "seq");
    lua_pushlstring(L, result->epoch.ptr, result->epoch.len);
    lua_setfield(L, -2, "epoch");
    types_push_raw(L, result->events);
    lua_setfield(L, -2, "events");
    if (result->gap_to > 0) push_gap(L, result->gap_from, result->gap_to, result->gap_reason);
    if (result->fork_seq >= 0) push_reset(L, result->fork_seq, result->epoch);
    return 1;
}

static void followed(void *owner, const struct channel_follow_result *result) {
    struct task_ticket *ticket = owner;
    task_answer(&ticket, push_followed, (void *)(uintptr_t)result);
}

/* A cursor {seq, epoch}: false when it is malformed. */
static bool read_cursor(lua_State *L, int index, int64_t *seq_r, struct slice *epoch_r) {
    *seq_r = -1;
    *epoch_r = SLICE_NONE;
    if (lua_isnoneornil(L, index) || types_is_null(L, index)) return true;
    if (!lua_istable(L, index)) return false;
    bind_push_field(L, index, "seq");
    double seq = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
    bind_push_field(L, index, "epoch");
    if (lua_type(L, -1) == LUA_TSTRING) epoch_r->ptr = lua_tolstring(L, -1, &epoch_r->len);
    lua_pop(L, 2);
    *seq_r = (int64_t)(seq >= 0 && seq <= 9007199254740992.0 ? seq : -1);
    return *seq_r >= 0 && (double)*seq_r == seq && epoch_r->len > 0 && epoch_r->len < STORE_EPOCH_MAX;
}

/* Makes the socket follow the channel: it joins the room, is online there, and gets what it missed since the cursor,
 * exactly once. Live events come after the acknowledgement of the current event.
 * @function channel:follow
 * @param socket who
 * @param since {seq, epoch}: the last event that the client has; nil: from now
 * @return {seq, epoch, events (raw), gap?, reset?}; waits
 * @error bad_channel, bad_cursor, gone, unavailable
 * @example local joined, word = channel:follow(socket, request.since) */
static int follow(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1), epoch;
    int64_t seq;
    struct socket *socket = bind_socket_at(L, 2);
    if (id.len == 0) return bad_channel(L);
    if (!read_cursor(L, 3, &seq, &epoch)) return bind_fail(L, "bad_cursor");
    if (!socket) return bind_fail(L, "gone");
    struct worker *worker = script_state_worker(L);
    struct task_ticket *ticket = task_begin_wait(L);
    channel_follow_channel(worker->hub, worker->channels.log, worker->store, bind_socket_id_at(L, 2), id, seq, epoch,
                           followed, ticket);
    return task_wait(L, 0);
}

/* Makes the socket leave the channel's room; it is no longer online there.
 * @function channel:unfollow
 * @param socket who
 * @return true
 * @error bad_channel, gone
 * @example channel:unfollow(socket) */
static int unfollow(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1);
    struct socket *socket = bind_socket_at(L, 2);
    char room[ROOM_MAX];
    if (id.len == 0) return bad_channel(L);
    if (!socket) return bind_fail(L, "gone");
    socket_leave(socket, room_of(id, room));
    return bind_true(L);
}

/* Sends the event at index 3 to sockets of the user at index 2. */
static int tell_user(lua_State *L, enum fleet_reach reach) {
    struct slice id = bind_channel_id_at(L, 1), user_id = bind_text(L, 2);
    struct worker *worker = script_state_worker(L);
    bind_check_event(L, 3);
    struct json_out json = bind_json(L, 3, lua_gettop(L), JSON_ATTACHMENTS_MAX);
    if (id.len == 0) return bad_channel(L);
    if (!user_id_valid(user_id)) return bind_fail(L, "bad_request");
    struct buffer args = bind_take(L);
    size_t sent = fleet_emit_to_user(worker, &(struct fleet_news){.user_id = user_id,
                                                                  .channel_id = id,
                                                                  .reach = reach,
                                                                  .args = buffer_slice(&args),
                                                                  .attachments = json.attachments,
                                                                  .attachments_len = json.attachments_len});
    bind_release(vm_of(L), &args);
    lua_pushinteger(L, (lua_Integer)sent);
    return 1;
}

/* Makes a user's sockets, on every worker, stop following the channel; then each of the user's sockets gets an event.
 * @function channel:expel
 * @param user_id who
 * @param event the name
 * @param … the arguments
 * @return how many sockets of this worker got it
 * @error bad_channel, bad_request
 * @example channel:expel(user_id, "channel:left", {channelId = channel.id, userId = user_id, reason = "removed"}) */
static int expel(lua_State *L) {
    return tell_user(L, FLEET_EXPELLED);
}

/* Sends an event to those of a user's sockets, on every worker, that do not follow the channel.
 * @function channel:tell_absent
 * @param user_id who
 * @param event the name
 * @param … the arguments
 * @return how many sockets of this worker got it
 * @error bad_channel, bad_request
 * @example channel:tell_absent(user_id, "channel:joined", {channelId = channel.id, userId = user_id}) */
static int tell_absent(lua_State *L) {
    return tell_user(L, FLEET_ABSENT);
}

/* Does the socket follow the channel?
 * @function channel:followed_by
 * @param socket who
 * @return true or false
 * @example if not channel:followed_by(socket) then return nil, "not_joined" end */
static int followed_by(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1);
    struct socket *socket = bind_socket_at(L, 2);
    lua_pushboolean(L, id.len > 0 && socket && bind_channel_is_followed(id, socket));
    return 1;
}

/* ---- reading ---- */

static int push_events(lua_State *L, struct store_request *request) {
    lua_createtable(L, 0, 6);
    types_push_raw(L, request->json.len > 0 ? buffer_slice(&request->json) : SLICE("[]"));
    lua_setfield(L, -2, "events");
    lua_pushnumber(L, (lua_Number)request->at.seq);
    lua_setfield(L, -2, "seq");
    lua_pushstring(L, request->at.epoch);
    lua_setfield(L, -2, "epoch");
    if (request->events.more_r) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "more");
    }
    if (request->events.floor_r > 0) push_gap(L, request->events.seq + 1, request->events.floor_r, "trimmed");
    if (request->events.fork_r >= 0) push_reset(L, request->events.fork_r, slice_of(request->at.epoch));
    return 1;
}

static unsigned limit_field(lua_State *L, int index, unsigned most) {
    double limit = bind_number_field(L, index, "limit", most);
    return limit >= 1 && limit <= most ? (unsigned)limit : limit < 1 ? 1 : most;
}

/* The channel's events after a cursor.
 * @function channel:events
 * @param since {seq, epoch, limit?}: at most 1000
 * @return {events (raw: [name, payload]…), seq, epoch (the head's), more?, gap?, reset?}; waits
 * @error bad_channel, bad_cursor, not_found, unavailable
 * @example local tail = channel:events{seq = 41, epoch = epoch} */
static int events(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1), epoch;
    int64_t seq;
    luaL_checktype(L, 2, LUA_TTABLE);
    unsigned limit = limit_field(L, 2, STORE_EVENTS_MAX);
    if (id.len == 0) return bad_channel(L);
    if (!read_cursor(L, 2, &seq, &epoch)) return bind_fail(L, "bad_cursor");
    struct store_request *request = bind_request(L, STORE_EVENTS, push_events);
    BIND_COPY(request, channel_id, id);
    BIND_COPY(request, events.epoch, epoch);
    request->events.seq = seq;
    request->events.limit = limit;
    return bind_submit(L, &request);
}

static int push_messages(lua_State *L, struct store_request *request) {
    lua_createtable(L, 0, 2);
    types_push_raw(L, request->json.len > 0 ? buffer_slice(&request->json) : SLICE("[]"));
    lua_setfield(L, -2, "messages");
    lua_pushboolean(L, request->messages.more_r);
    lua_setfield(L, -2, "more");
    return 1;
}

/* The channel's messages, ascending: the last ones, or those before or after a seq.
 * @function channel:messages
 * @param which {threadId?, before?, after?, limit?}: at most 100
 * @return {messages (raw), more}; waits
 * @error bad_channel, not_found, unavailable
 * @example local page = channel:messages{before = request.before, limit = 50} */
static int messages(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct slice thread_id = bind_field(L, 2, "threadId");
    unsigned limit = limit_field(L, 2, STORE_MESSAGES_MAX);
    double before = bind_number_field(L, 2, "before", 0), after = bind_number_field(L, 2, "after", -1);
    if (id.len == 0) return bad_channel(L);
    if (!(before >= 0 && before < 9e15 && after < 9e15)) return bind_fail(L, "bad_request");
    struct store_request *request = bind_request(L, STORE_MESSAGES, push_messages);
    BIND_COPY(request, channel_id, id);
    BIND_COPY(request, messages.message_id, thread_id);
    request->messages.before = (int64_t)before;
    request->messages.onwards = after >= 0;
    request->messages.after = after >= 0 ? (int64_t)after : 0;
    request->messages.limit = limit;
    return bind_submit(L, &request);
}

/* ---- members and settings ---- */

static struct store_request *request_for(lua_State *L, int op, bind_push *push, struct slice id, struct slice user_id) {
    struct store_request *request = bind_request(L, op, push);
    BIND_COPY(request, channel_id, id);
    BIND_COPY(request, user_id, user_id);
    return request;
}

/* For requests whose only arguments are the channel and a user. */
static int submit(lua_State *L, int op, bind_push *push, struct slice user_id) {
    struct slice id = bind_channel_id_at(L, 1);
    if (id.len == 0) return bad_channel(L);
    struct store_request *request = request_for(L, op, push, id, user_id);
    return bind_submit(L, &request);
}

/* A message.
 * @function channel:message
 * @param id the message's id
 * @return its table (a deleted one has deletedAt); waits
 * @error bad_channel, not_found, unavailable
 * @example local message = channel:message(request.messageId) */
static int message(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1), message_id = bind_text(L, 2);
    if (id.len == 0) return bad_channel(L);
    struct store_request *request = request_for(L, STORE_MESSAGE, bind_push_value, id, SLICE_NONE);
    BIND_COPY(request, messages.message_id, message_id);
    return bind_submit(L, &request);
}

/* The channel's record.
 * @function channel:info
 * @return {channelId, name, visibility, seq, epoch, members}; waits
 * @error bad_channel, not_found, unavailable
 * @example local info = channel:info() */
static int info(lua_State *L) {
    return submit(L, STORE_CHANNEL, bind_push_value, SLICE_NONE);
}

/* Creates the channel or changes it.
 * @function channel:put
 * @param what {name?, visibility? = "public" | "private"}
 * @return its info; waits
 * @error bad_channel, bad_request, unavailable
 * @example channel:put{name = "The lobby", visibility = "public"} */
static int put(lua_State *L) {
    luaL_checktype(L, 2, LUA_TTABLE);
    struct slice name = bind_field(L, 2, "name"), visibility = bind_field(L, 2, "visibility");
    if (visibility.len > 0 && !slice_is(visibility, "public") && !slice_is(visibility, "private"))
        return bind_fail(L, "bad_request");
    struct slice id = bind_channel_id_at(L, 1);
    if (id.len == 0) return bad_channel(L);
    struct store_request *request = request_for(L, STORE_CHANNEL_PUT, bind_push_value, id, SLICE_NONE);
    BIND_COPY(request, channel.name, name);
    BIND_COPY(request, channel.visibility, visibility);
    return bind_submit(L, &request);
}

/* A member of the channel.
 * @function channel:member
 * @param user_id who
 * @return {userId, role}; waits
 * @error bad_channel, not_found, unavailable
 * @example local member = channel:member(socket.user.id) */
static int member(lua_State *L) {
    return submit(L, STORE_MEMBER, bind_push_value, bind_text(L, 2));
}

/* All members, at most 10,000.
 * @function channel:members
 * @return raw: [{userId, role}…]; waits
 * @error bad_channel, not_found, unavailable
 * @example return {ok = true, members = channel:members()} */
static int members(lua_State *L) {
    return submit(L, STORE_MEMBERS, bind_push_raw, SLICE_NONE);
}

/* Makes a user a member, or changes their role.
 * @function channel:put_member
 * @param user_id who
 * @param role "owner", "moderator" or "member"
 * @return true; waits
 * @error bad_channel, bad_request, not_found, unavailable
 * @example channel:put_member("alice", "owner") */
static int put_member(lua_State *L) {
    struct slice user_id = bind_text(L, 2), role = bind_text(L, 3);
    bool known = slice_is(role, "owner") || slice_is(role, "moderator") || slice_is(role, "member");
    if (!known || !user_id_valid(user_id)) return bind_fail(L, "bad_request");
    struct slice id = bind_channel_id_at(L, 1);
    if (id.len == 0) return bad_channel(L);
    struct store_request *request = request_for(L, STORE_MEMBER_PUT, bind_push_true, id, user_id);
    BIND_COPY(request, member.role, role);
    return bind_submit(L, &request);
}

/* Ends a membership.
 * @function channel:remove_member
 * @param user_id who
 * @return true; waits
 * @error bad_channel, not_found, unavailable
 * @example channel:remove_member("mallory") */
static int remove_member(lua_State *L) {
    return submit(L, STORE_MEMBER_DELETE, bind_push_true, bind_text(L, 2));
}

/* Records that the user has read up to a seq; it never moves back.
 * @function channel:mark_read
 * @param user_id who
 * @param seq the last event that the user has read
 * @return true; waits
 * @error bad_channel, bad_request, not_found, unavailable
 * @example channel:mark_read(socket.user.id, request.seq) */
static int mark_read(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1), user_id = bind_text(L, 2);
    double seq = luaL_checknumber(L, 3);
    if (id.len == 0) return bad_channel(L);
    if (!(seq >= 0 && seq < 9e15)) return bind_fail(L, "bad_request");
    struct store_request *request = request_for(L, STORE_READ_MARK, bind_push_true, id, user_id);
    request->member.read_seq = (int64_t)seq;
    return bind_submit(L, &request);
}

static size_t names_max_at(lua_State *L, int index) {
    lua_Integer most = luaL_optinteger(L, index, ONLINE_MAX);
    return most > 0 ? (size_t)most : 0;
}

/* Who is online in the channel, on whichever worker.
 * @function channel:online
 * @param max how many to name; 1000 when absent
 * @return raw: [{userId, status, …}…]; how many there are in all; and true if other workers may know better and cannot
 * be reached, else false; waits if other workers must be asked
 * @error bad_channel, timeout
 * @example local users, count, stale = channel:online(100) */
static int online(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1);
    size_t names_max = names_max_at(L, 2);
    return id.len == 0 ? bad_channel(L) : bind_presence_ask_channel(L, id, names_max);
}

/* Who is online in the channel, as far as this worker knows; never waits. Complete after a socket of this worker has
 * followed the channel for a moment; before that, too few.
 * @function channel:online_so_far
 * @param max how many to name; 1000 when absent
 * @return raw: [{userId, status, …}…], and how many there are in all
 * @error bad_channel
 * @example local _, count = channel:online_so_far(0) */
static int online_so_far(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1);
    size_t names_max = names_max_at(L, 2);
    if (id.len == 0) return bad_channel(L);
    struct buffer *out = &vm_of(L)->out;
    buffer_clear(out);
    size_t count = presence_write_channel(script_state_worker(L)->presence.online, id, names_max, out);
    types_push_raw(L, buffer_slice(out));
    lua_pushinteger(L, (lua_Integer)count);
    return 2;
}

/* An emitter to the channel's followers, for events that are not stored.
 * @function channel:to
 * @return an emitter
 * @example channel:to():volatile():except(socket.id):emit("typing", {userId = socket.user.id}) */
static int to(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1);
    char room[ROOM_MAX];
    if (id.len == 0) return luaL_error(L, "the channel's id is malformed");
    bind_room_push_emitter(L, SLICE("/"), room_of(id, room), SLICE_NONE);
    return 1;
}

static int forward(lua_State *L, lua_CFunction method) {
    to(L);
    lua_replace(L, 1);
    return method(L);
}

/* Sends an event to the channel's followers; it is not stored.
 * @function channel:emit
 * @param event the name
 * @param … the arguments
 * @return how many sockets of this worker
 * @example channel:volatile():except(socket.id):emit("typing", {userId = socket.user.id}) */
static int emit(lua_State *L) {
    return forward(L, bind_room_emit);
}

/* An emitter to the followers; slow or absent ones may miss its event.
 * @function channel:volatile
 * @return an emitter
 * @example channel:volatile():emit("typing", {userId = socket.user.id}) */
static int set_volatile(lua_State *L) {
    return forward(L, bind_room_volatile);
}

/* An emitter to the followers except the members of rooms.
 * @function channel:except
 * @param room a name, or a list of names; a socket's id is a room too
 * @return an emitter
 * @example channel:except(socket.id):emit("joined", {userId = socket.user.id}) */
static int except(lua_State *L) {
    return forward(L, bind_room_except);
}

/* Upvalue: the methods. Fields: id, room, valid. */
static int channel_index(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1), key = bind_text(L, 2);
    char room[ROOM_MAX];
    if (slice_is(key, "id")) {
        lua_pushlstring(L, id.ptr, id.len);
    } else if (slice_is(key, "room")) {
        struct slice name = room_of(id, room);
        lua_pushlstring(L, name.ptr, name.len);
    } else if (slice_is(key, "valid")) {
        lua_pushboolean(L, id.len > 0);
    } else {
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(1));
    }
    return 1;
}

/* A channel by its id; makes no request. Fields: id, room, valid. With a malformed id its calls return bad_channel.
 * @function stoa.channel
 * @param id 1 to 64 of A-Za-z0-9_.:-
 * @return the channel
 * @example local lobby = stoa.channel("lobby") */
static int channel(lua_State *L) {
    struct slice id = SLICE_NONE;
    if (lua_type(L, 1) == LUA_TSTRING) id = bind_text(L, 1);
    struct channel_name *name = types_new(L, CHANNEL, sizeof *name);
    if (!bind_is_id(id)) return 1;
    name->len = (unsigned)id.len;
    memcpy(name->id, id.ptr, id.len);
    return 1;
}

void bind_channel(lua_State *L) {
    static const luaL_Reg methods[] = {{"append", bind_append_method},
                                       {"appended", bind_append_asked},
                                       {"follow", follow},
                                       {"unfollow", unfollow},
                                       {"followed_by", followed_by},
                                       {"expel", expel},
                                       {"tell_absent", tell_absent},
                                       {"events", events},
                                       {"messages", messages},
                                       {"message", message},
                                       {"info", info},
                                       {"put", put},
                                       {"member", member},
                                       {"members", members},
                                       {"put_member", put_member},
                                       {"remove_member", remove_member},
                                       {"mark_read", mark_read},
                                       {"online", online},
                                       {"online_so_far", online_so_far},
                                       {"to", to},
                                       {"emit", emit},
                                       {"volatile", set_volatile},
                                       {"except", except},
                                       {NULL, NULL}};
    types_class(L, CHANNEL, methods, channel_index, NULL);
    lua_pushcfunction(L, channel);
    lua_setfield(L, -2, "channel");
}
