/* SPDX-License-Identifier: Apache-2.0 */
/* Session tokens: made by the server, kept by the store, revoked at once. */
#include <lauxlib.h>

#include "base/ids.h"
#include "lua/bind_internal.h"
#include "store/store.h"
#include "wire/user_id.h"
#include "worker/worker.h"

enum { TOKEN_LEN = 43 /* 258 random bits */, TOKEN_MAX = 256, TTL_MAX_S = 366 * 86400 };

static int push_token(lua_State *L, struct store_request *request) {
    lua_pushlstring(L, request->session.token.ptr, request->session.token.len);
    return 1;
}

/* Makes a token for a user.
 * @function stoa.session.create
 * @param user_id the user's id
 * @param ttl_seconds how long it lives: at most 366 days
 * @return the token (256 random bits); waits
 * @error bad_request, unavailable
 * @example local token = stoa.session.create(body.userId, 3600) */
static int create(lua_State *L) {
    struct slice user_id = bind_text(L, 1);
    double ttl_s = luaL_checknumber(L, 2);
    if (!user_id_valid(user_id) || !(ttl_s >= 1 && ttl_s <= TTL_MAX_S)) return bind_fail(L, "bad_request");
    char token[TOKEN_LEN + 1];
    id_random(token, TOKEN_LEN);
    struct store_request *request = bind_request(L, STORE_SESSION_PUT, push_token);
    BIND_COPY(request, session.token, ((struct slice){token, TOKEN_LEN}));
    BIND_COPY(request, user_id, user_id);
    request->session.expires_ms = (int64_t)(loop_wall_ms(script_state_of(L)->worker->loop) + (uint64_t)(ttl_s * 1000));
    return bind_submit(L, &request);
}

static int submit(lua_State *L, int op) {
    struct slice token = bind_text(L, 1);
    if (token.len == 0 || token.len > TOKEN_MAX) return bind_fail(L, "not_found");
    struct store_request *request = bind_request(L, op, bind_push_value);
    BIND_COPY(request, session.token, token);
    return bind_submit(L, &request);
}

/* The user of a token.
 * @function stoa.session.find
 * @param token a token from create
 * @return {userId, expiresAt}; waits
 * @error not_found (unknown or expired), unavailable
 * @example local session = stoa.session.find(handshake.auth.token) */
static int find(lua_State *L) {
    return submit(L, STORE_SESSION);
}

/* Ends a token. It does not close connections opened with the token; use stoa.user(userId):disconnect{session = …}.
 * @function stoa.session.delete
 * @param token a token from create
 * @return {userId}; waits
 * @error not_found, unavailable
 * @example local session = stoa.session.delete(request.params.token) */
static int delete (lua_State *L) {
    return submit(L, STORE_SESSION_DELETE);
}

void bind_session(lua_State *L) {
    static const luaL_Reg functions[] = {{"create", create}, {"find", find}, {"delete", delete}, {NULL, NULL}};
    bind_library(L, "session", functions);
}
