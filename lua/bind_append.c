/* SPDX-License-Identifier: Apache-2.0 */
/* channel:append, and the check before it. */
#include <lauxlib.h>

#include "base/ids.h"
#include "channel/expulsions.h"
#include "channel/log.h"
#include "lua/bind_internal.h"
#include "session/recovery.h"
#include "session/socket.h"
#include "store/store_json.h"
#include "worker/worker.h"

static const struct {
    const char *name;
    enum store_kind kind;
} kinds[] = {{"message", STORE_MESSAGE_NEW},
             {"edit", STORE_EDIT},
             {"delete", STORE_DELETE},
             {"reaction_add", STORE_REACTION_ADD},
             {"reaction_remove", STORE_REACTION_REMOVE}};

static enum store_kind kind_of(lua_State *L, struct slice name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (slice_is(name, kinds[i].name)) return kinds[i].kind;
    luaL_error(L, "append: kind must be message, edit, delete, reaction_add or reaction_remove");
    return STORE_EDIT;
}

static int push_appended(lua_State *L, struct store_request *request) {
    lua_createtable(L, 0, 5);
    lua_pushnumber(L, (lua_Number)request->at.seq);
    lua_setfield(L, -2, "seq");
    lua_pushstring(L, request->at.epoch);
    lua_setfield(L, -2, "epoch");
    if (request->append.kind == STORE_MESSAGE_NEW) {
        lua_pushstring(L, request->append.message_id_r);
        lua_setfield(L, -2, "id");
        lua_pushstring(L, request->append.created_at_r);
        lua_setfield(L, -2, "createdAt");
    }
    if (request->append.duplicate_r) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, "duplicate");
    }
    return 1;
}

/* A field as JSON, appended to the vm's buffer; empty when it is nil. */
static struct slice json_field(lua_State *L, int index, const char *name, size_t *start) {
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = BIND_OUT_MAX};
    *start = json.out->len;
    bind_push_field(L, index, name);
    if (!lua_isnil(L, -1) && !script_json_pull(L, -1, &json)) luaL_error(L, "append: %s: %s", name, json.problem);
    lua_pop(L, 1);
    return (struct slice){NULL, json.out->len - *start};
}

struct append_call {
    enum store_kind kind;
    struct slice user_id, client_id, message_id, thread_id, emoji, content, attachments;
    int64_t fingerprint; /* of the client's original, if something else is appended; or 0 */
    bool has_follower;
    struct socket *follower; /* NULL: the socket has ended; an expulsion cannot reach it any more */
};

static void read_content(lua_State *L, int index, struct append_call *append) {
    size_t content, attachments;
    struct buffer *out = &vm_of(L)->out;
    buffer_clear(out);
    append->content = json_field(L, index, "content", &content);
    append->attachments = json_field(L, index, "attachments", &attachments);
    append->content.ptr = out->ptr + content;
    append->attachments.ptr = out->ptr + attachments;
    append->thread_id = bind_field(L, index, "threadId");
}

/* A retry is recognized by the client's original, whatever a hook changed. */
static void read_said(lua_State *L, int index, struct append_call *append) {
    bind_push_field(L, index, "said");
    if (!lua_isnil(L, -1)) {
        luaL_checktype(L, -1, LUA_TTABLE);
        read_content(L, lua_gettop(L), append);
        append->fingerprint = store_fingerprint(&(struct store_append){.kind = append->kind,
                                                                       .message_id = append->message_id,
                                                                       .content = append->content,
                                                                       .thread_id = append->thread_id,
                                                                       .attachments = append->attachments,
                                                                       .emoji = append->emoji});
    }
    lua_pop(L, 1);
}

/* All checks that may raise run before the request is made. */
static void read_append(lua_State *L, int index, struct append_call *append) {
    luaL_checktype(L, index, LUA_TTABLE);
    *append = (struct append_call){.kind = kind_of(L, bind_field(L, index, "kind"))};
    append->user_id = bind_field(L, index, "userId");
    append->client_id = bind_field(L, index, "clientId");
    append->message_id = bind_field(L, index, "messageId");
    append->emoji = bind_field(L, index, "emoji");
    read_said(L, index, append);
    read_content(L, index, append);
    if (append->user_id.len == 0) luaL_error(L, "append: userId is missing");
    bind_push_field(L, index, "follower");
    append->has_follower = !lua_isnil(L, -1);
    struct socket *follower = append->has_follower ? bind_socket_at(L, -1) : NULL;
    bool is_here = follower && (socket_is_connected(follower) || recovery_is_awaited(follower));
    append->follower = is_here ? follower : NULL;
    lua_pop(L, 1);
}

/* The sender's membership may end during a wait: it is checked at the moment of the append. */
static bool may_append(const struct worker *worker, struct slice channel_id, const struct append_call *append) {
    if (!append->has_follower) return true;
    if (append->follower) return bind_channel_is_followed(channel_id, append->follower);
    return !expulsions_has(worker->channels.expulsions, append->user_id, channel_id);
}

static struct store_request *request_of(lua_State *L, int op, bind_push *push, struct slice id,
                                        const struct append_call *what) {
    struct store_request *request = bind_request(L, op, push);
    request->append.kind = what->kind;
    request->append.fingerprint = what->fingerprint;
    BIND_COPY(request, channel_id, id);
    BIND_COPY(request, user_id, what->user_id);
    BIND_COPY(request, append.client_id, what->client_id);
    BIND_COPY(request, append.message_id, what->message_id);
    BIND_COPY(request, append.thread_id, what->thread_id);
    BIND_COPY(request, append.emoji, what->emoji);
    BIND_COPY(request, append.content, what->content);
    BIND_COPY(request, append.attachments, what->attachments);
    return request;
}

/* Appends to the channel's log: returns when it is committed and has been handed to the members. kind: "message"
 * (content, threadId?, attachments?), "edit" (messageId, content), "delete" (messageId), "reaction_add" and
 * "reaction_remove" (messageId, emoji). The same clientId of the same user is appended once. said: {content, threadId?,
 * attachments?} as the client sent it, if a hook changed it: a retry is recognized by it. follower: the asking socket;
 * it must follow the channel at the moment of the append, whatever was checked before a wait. If its connection has
 * ended meanwhile, its user must not have been expelled in the last minute.
 * @function channel:append
 * @param what {kind, userId, clientId?, said?, follower?, …}
 * @return {seq, epoch, id?, createdAt?, duplicate?}; waits
 * @error bad_channel, not_joined, id_conflict, not_found, bad_request, too_large (a message has 1,000 reactions, or 20
 * of this user), storage_full, unavailable
 * @example local ack, word = channel:append{kind = "message", userId = socket.user.id, content = "hello"} */
int bind_append_method(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1);
    struct append_call what;
    read_append(L, 2, &what);
    if (id.len == 0) return bind_fail(L, "bad_channel");
    struct worker *worker = script_state_worker(L);
    if (!may_append(worker, id, &what)) return bind_fail(L, "not_joined");
    char message_id[ID_MESSAGE_LEN + 1];
    if (what.kind == STORE_MESSAGE_NEW && what.message_id.len == 0) {
        id_message(message_id, loop_wall_ms(worker->loop));
        what.message_id = slice_of(message_id);
    }
    struct store_request *request = request_of(L, STORE_APPEND, push_appended, id, &what);
    task_stores(L);
    channel_log_append(worker->channels.log, &request);
    return task_wait(L, CHANNEL_LOG_DEADLINE_MS * 2);
}

/* True if the same clientId was appended already; append then returns the same answer again.
 * @function channel:appended
 * @param what as for channel:append, with a clientId
 * @return true; waits
 * @error bad_channel, bad_request, id_conflict (the clientId was used for something else), not_found, unavailable
 * @example if channel:appended(what) then return channel:append(what) end */
int bind_append_asked(lua_State *L) {
    struct slice id = bind_channel_id_at(L, 1);
    struct append_call what;
    read_append(L, 2, &what);
    if (id.len == 0) return bind_fail(L, "bad_channel");
    struct store_request *request = request_of(L, STORE_APPENDED, bind_push_true, id, &what);
    return bind_submit(L, &request);
}
