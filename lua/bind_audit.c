/* SPDX-License-Identifier: Apache-2.0 */
/* The audit trail in the store: who did what. */
#include <lauxlib.h>

#include "lua/bind_internal.h"
#include "store/store.h"
#include "wire/user_id.h"

enum { AUDITS_MAX = 1000, ACTION_MAX = 64, DETAIL_MAX = 16384 };

/* Writes an entry.
 * @function stoa.audit.write
 * @param action a word: "message.delete"
 * @param what {actor, channelId?, detail?}; detail: any JSON value
 * @return true; waits
 * @error bad_request, storage_full, unavailable
 * @example stoa.audit.write("member.remove", {actor = socket.user.id, channelId = id, detail = {userId = user}}) */
static int write(lua_State *L) {
    struct slice action = bind_text(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct slice actor = bind_field(L, 2, "actor"), channel_id = bind_field(L, 2, "channelId");
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = DETAIL_MAX};
    if (action.len == 0 || action.len > ACTION_MAX || !user_id_valid(actor) ||
        (channel_id.len > 0 && !bind_is_id(channel_id)))
        return bind_fail(L, "bad_request");
    bind_push_field(L, 2, "detail");
    buffer_clear(json.out);
    if (!lua_isnil(L, -1) && !script_json_pull(L, -1, &json)) return bind_fail(L, "bad_request");
    struct store_request *request = bind_request(L, STORE_AUDIT, bind_push_true);
    BIND_COPY(request, user_id, actor);
    BIND_COPY(request, audit.action, action);
    BIND_COPY(request, channel_id, channel_id);
    BIND_COPY(request, audit.detail, buffer_slice(json.out));
    return bind_submit(L, &request);
}

/* The entries, newest first.
 * @function stoa.audit.list
 * @param which {channelId?, limit?}: at most 1000
 * @return raw: a list; waits
 * @error unavailable
 * @example return 200, stoa.audit.list{channelId = request.params.id} */
static int list(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    struct slice channel_id = bind_field(L, 1, "channelId");
    double limit = bind_number_field(L, 1, "limit", 100);
    struct store_request *request = bind_request(L, STORE_AUDITS, bind_push_raw);
    BIND_COPY(request, channel_id, channel_id);
    request->audit.limit = limit < 1 ? 1 : limit > AUDITS_MAX ? AUDITS_MAX : (unsigned)limit;
    return bind_submit(L, &request);
}

void bind_audit(lua_State *L) {
    static const luaL_Reg functions[] = {{"write", write}, {"list", list}, {NULL, NULL}};
    bind_library(L, "audit", functions);
}
