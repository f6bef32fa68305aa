/* SPDX-License-Identifier: Apache-2.0 */
/* results.h - passes the store's answers to the tasks that asked. Large answers become Lua values one at a time, each
 * after the previous task has resumed with its answer: many large answers at once do not fill the memory.
 */
#ifndef LUA_RESULTS_H
#define LUA_RESULTS_H

#include "lua/bind.h"

struct loop;
struct results;
struct vm;

/* max_bytes: limit of the large answers that wait; further ones are answered as unavailable. */
struct results *results_new(struct loop *loop, struct vm *vm, size_t max_bytes);
/* Call it after the tasks are freed. */
void results_free(struct results **results);
/* Makes a request for the running task, which must then wait; push hands the answer to the task. */
struct store_request *results_request(struct results *results, lua_State *L, int op, bind_push *push);

#endif
