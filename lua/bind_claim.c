/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of a user: their number is limited over all workers. */
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>

#include "lua/bind_internal.h"
#include "session/hub.h"
#include "session/socket.h"
#include "state/state.h"
#include "worker/worker.h"

/* A claim under way. */
struct claiming {
    struct state_claim claim;
    struct task_ticket *ticket; /* NULL: answered within the call */
    struct worker *worker;
    enum state_verdict verdict;
    char *socket_id, *user_id;
};

static int push_verdict(lua_State *L, void *owner) {
    const struct claiming *claiming = owner;
    return claiming->verdict == STATE_REFUSED ? bind_fail(L, "too_many_connections") : bind_true(L);
}

static void claiming_free(struct claiming *claiming) {
    free(claiming->socket_id);
    free(claiming->user_id);
    free(claiming);
}

/* Releases a claim whose socket has gone meanwhile, or whose session another of its sockets has claimed. */
static void claimed(struct state_claim *claim, enum state_verdict verdict, unsigned connections) {
    struct claiming *claiming = CONTAINER(claim, struct claiming, claim);
    struct worker *worker = claiming->worker;
    struct socket *socket = worker->hub ? hub_find_connected(worker->hub, slice_of(claiming->socket_id)) : NULL;
    claiming->verdict = verdict;
    if (verdict != STATE_REFUSED && !(socket && socket_claim(socket)))
        state_release_connection(worker->fleet.state, slice_of(claiming->user_id));
    if (!claiming->ticket) return;
    task_answer(&claiming->ticket, push_verdict, claiming);
    claiming_free(claiming);
}

static char *copy(struct slice text) {
    return memory_copy(text.ptr, text.len);
}

/* With one worker the answer comes within the call, without waiting. */
static int claim_for(lua_State *L, struct worker *worker, const struct socket *socket, unsigned most) {
    struct task_ticket *ticket = worker->fleet.redis ? task_begin_wait(L) : NULL;
    struct claiming *claiming = NEW(struct claiming);
    *claiming = (struct claiming){.claim.done = claimed,
                                  .ticket = ticket,
                                  .worker = worker,
                                  .socket_id = copy(socket_id(socket)),
                                  .user_id = copy(socket_user_id(socket))};
    state_claim_connection(worker->fleet.state, &claiming->claim, slice_of(claiming->user_id), most);
    if (ticket) return task_wait(L, 0);
    int pushed = push_verdict(L, claiming);
    claiming_free(claiming);
    return pushed;
}

/* Counts the socket's session as a connection of its user, over all workers, until it ends; sockets of one session are
 * one connection. The limit is exact, even if many ask at once.
 * @function socket:claim
 * @param most how many connections the user may have; nil: any number
 * @return true; waits where several workers count together
 * @error gone, too_many_connections
 * @example if not socket:claim(5) then return nil, "too many devices" end */
int bind_claim_method(lua_State *L) {
    const struct socket *socket = bind_socket_at(L, 1);
    lua_Integer most = lua_isnoneornil(L, 2) ? 0 : luaL_checkinteger(L, 2);
    luaL_argcheck(L, most >= 0 && most <= INT_MAX, 2, "out of range");
    if (!socket) return bind_fail(L, "gone");
    if (socket_is_claimed(socket)) return bind_true(L);
    return claim_for(L, script_state_worker(L), socket, (unsigned)most);
}
