/* SPDX-License-Identifier: Apache-2.0 */
/* results.h - what the store answers, on its way to the tasks that asked. Large answers become Lua's one after the
 * other, each when the task before has gone on with its own: many at once do not fill the memory.
 */
#ifndef LUA_RESULTS_H
#define LUA_RESULTS_H

#include "lua/bind.h"

struct loop;
struct results;
struct vm;

/* max_bytes: of large ones that wait; what comes beyond is answered as unavailable. */
struct results *results_new(struct loop *loop, struct vm *vm, size_t max_bytes);
/* After the tasks. */
void results_free(struct results **results);
/* A request whose answer push hands to the running task, which is about to wait for it. */
struct store_request *results_request(struct results *results, lua_State *L, int op, bind_push *push);

#endif
