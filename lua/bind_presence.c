/* SPDX-License-Identifier: Apache-2.0 */
/* Presence: who is online. */
#include <lauxlib.h>
#include <stdlib.h>

#include "bus/bus.h"
#include "bus/fields.h"
#include "lua/bind_internal.h"
#include "lua/bind_presence.h"
#include "lua/types.h"
#include "presence/presence.h"
#include "presence/survey.h"
#include "session/online.h"
#include "session/socket.h"
#include "wire/user_id.h"
#include "worker/worker.h"

enum { USERS_MAX = 1000 };
#define ENDS_MAX_MS 253402300800000.0 /* the year 10000 */

/* {status, statusMessage?, endsMs?} at index; borrowed from the table. */
static struct presence_said said_at(lua_State *L, int index) {
    luaL_checktype(L, index, LUA_TTABLE);
    double ends_ms = bind_number_field(L, index, "endsMs", 0);
    return (struct presence_said){.status = bind_field(L, index, "status"),
                                  .message = bind_field(L, index, "statusMessage"),
                                  .ends_wall_ms = ends_ms > 0 && ends_ms < ENDS_MAX_MS ? (uint64_t)ends_ms : 0};
}

/* Makes the socket's user online until its connection ends plus a grace period; a recovered socket also in the channels
 * that it follows. Call it from the hook connect, which also runs when a socket comes back.
 * @function stoa.presence.connected
 * @param socket the socket
 * @param said what user:said returned: the status that the user has from the first moment, unless
 * something newer is known; may be nil
 * @return true
 * @error gone
 * @example stoa.hook("connect", function(socket) stoa.presence.connected(socket) end) */
static int connected(lua_State *L) {
    struct socket *socket = bind_socket_at(L, 1);
    struct presence_said said;
    bool has_said = !lua_isnoneornil(L, 2);
    if (has_said) said = said_at(L, 2);
    return socket && online_begin(socket, has_said ? &said : NULL) ? bind_true(L) : bind_fail(L, "gone");
}

/* Does nothing; kept for scripts that call it. The server itself ends what stoa.presence.connected began, because a
 * hook that waits could report an old connection of a client that has reconnected.
 * @function stoa.presence.disconnected
 * @param socket the socket
 * @return true
 * @example stoa.hook("disconnect", function(socket) stoa.presence.disconnected(socket) end) */
static int disconnected(lua_State *L) {
    (void)bind_socket_id_at(L, 1);
    return bind_true(L);
}

/* Sets a user's status until they are offline. To keep it longer, use user:say.
 * @function stoa.presence.update
 * @param user_id who
 * @param status "online", "away", "busy" or "invisible"
 * @param message at most 256 bytes; may be nil
 * @param ends_ms when they become online again, in Unix milliseconds; may be nil
 * @return true
 * @error bad_request (also when they are not connected)
 * @example stoa.presence.update(socket.user.id, "away", "at lunch") */
static int update(lua_State *L) {
    struct slice user_id = bind_text(L, 1);
    struct presence_said said = {.status = bind_text(L, 2)};
    if (!lua_isnoneornil(L, 3) && !types_is_null(L, 3)) said.message = bind_text(L, 3);
    double ends_ms = luaL_optnumber(L, 4, 0);
    if (!(ends_ms >= 0 && ends_ms < ENDS_MAX_MS)) return bind_fail(L, "bad_request");
    said.ends_wall_ms = (uint64_t)ends_ms;
    return presence_update(script_state_worker(L)->presence.online, user_id, &said) ? bind_true(L)
                                                                                    : bind_fail(L, "bad_request");
}

/* A query to all workers about users, or about who is online in a channel. */
enum presence_answer { A_LIST, A_USER, A_CHANNEL };
struct presence_asking {
    struct survey_call call;
    struct task_ticket *ticket;   /* NULL: the query was answered within the call */
    struct buffer subject, users; /* subject: the call's users or channel */
    size_t online;
    bool is_stale;
    enum presence_answer answer;
};

static int push(lua_State *L, const struct presence_asking *asking, struct slice users) {
    if (asking->answer == A_CHANNEL) {
        types_push_raw(L, users);
        lua_pushinteger(L, (lua_Integer)asking->online);
    } else {
        script_json_push(L, asking->answer == A_LIST ? users : (struct slice){users.ptr + 1, users.len - 2}, NULL, 0);
    }
    lua_pushboolean(L, asking->is_stale);
    return asking->answer == A_CHANNEL ? 3 : 2;
}

static int push_answer(lua_State *L, void *owner) {
    const struct presence_asking *asking = owner;
    return push(L, asking, buffer_slice(&asking->users));
}

static void asking_free(struct presence_asking *asking) {
    buffer_done(&asking->subject);
    buffer_done(&asking->users);
    free(asking);
}

static void answered(struct survey_call *call, struct slice users, size_t online, bool is_stale) {
    struct presence_asking *asking = CONTAINER(call, struct presence_asking, call);
    buffer_append_slice(&asking->users, users);
    asking->online = online;
    asking->is_stale = is_stale;
    if (!asking->ticket) return;
    task_answer(&asking->ticket, push_answer, asking);
    asking_free(asking);
}

/* If this worker knows the answer, nothing waits. */
static int ask(lua_State *L, const struct survey_call *call, enum presence_answer answer) {
    struct survey *survey = script_state_worker(L)->presence.survey;
    struct task_ticket *ticket = survey_must_ask(survey, call) ? task_begin_wait(L) : NULL;
    struct presence_asking *asking = NEW(struct presence_asking);
    *asking = (struct presence_asking){.call = *call, .ticket = ticket, .answer = answer};
    struct slice *subject = answer == A_CHANNEL ? &asking->call.channel_id : &asking->call.user_ids;
    buffer_append_slice(&asking->subject, *subject);
    *subject = buffer_slice(&asking->subject);
    asking->call.done = answered;
    survey_ask(survey, &asking->call);
    if (ticket) return task_wait(L, 0);
    struct presence_asking known = *asking;
    struct buffer *users = &vm_of(L)->out;
    buffer_clear(users);
    buffer_append_slice(users, buffer_slice(&asking->users));
    asking_free(asking);
    return push(L, &known, buffer_slice(users));
}

int bind_presence_ask(lua_State *L, struct slice user_ids, bool is_list) {
    return ask(L, &(struct survey_call){.user_ids = user_ids}, is_list ? A_LIST : A_USER);
}

int bind_presence_ask_channel(lua_State *L, struct slice channel_id, size_t names_max) {
    return ask(L, &(struct survey_call){.channel_id = channel_id, .names_max = names_max}, A_CHANNEL);
}

/* The presence of users, on whichever worker they are.
 * @function stoa.presence.get
 * @param user_ids a list of at most 1000
 * @return a list of {userId, status, statusMessage?, lastSeen?}; and true if other workers may know better and cannot
 *   be reached, else false; waits if other workers must be asked
 * @error bad_request, timeout
 * @example local users, stale = stoa.presence.get(request.userIds) */
static int get(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    size_t len = lua_objlen(L, 1);
    struct buffer *user_ids = &vm_of(L)->scratch;
    if (len > USERS_MAX) return bind_fail(L, "bad_request");
    buffer_clear(user_ids);
    for (size_t i = 1; i <= len; i++) {
        lua_rawgeti(L, 1, (int)i);
        if (lua_type(L, -1) != LUA_TSTRING || !user_id_valid(bind_text(L, -1))) return bind_fail(L, "bad_request");
        fields_add(user_ids, bind_text(L, -1));
        lua_pop(L, 1);
    }
    return bind_presence_ask(L, buffer_slice(user_ids), true);
}

/* True while Redis is away: presence of users on other workers is then as it was before.
 * @function stoa.presence.stale
 * @return true or false
 * @example return {users = stoa.presence.get(request.userIds), stale = stoa.presence.stale() or nil} */
static int stale(lua_State *L) {
    lua_pushboolean(L, bus_is_degraded(script_state_worker(L)->fleet.bus));
    return 1;
}

void bind_presence(lua_State *L) {
    static const luaL_Reg functions[] = {{"connected", connected}, {"disconnected", disconnected},
                                         {"update", update},       {"get", get},
                                         {"stale", stale},         {NULL, NULL}};
    bind_library(L, "presence", functions);
}
