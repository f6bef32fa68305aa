/* SPDX-License-Identifier: Apache-2.0 */
/* bind.h - what every binding file needs: arguments, results, requests of the store.
 *
 * One file a module that scripts see: bind_internal.h lists them. A run-time failure returns nil and a word; a wrong
 * argument raises.
 */
#ifndef LUA_BIND_H
#define LUA_BIND_H

#include <lauxlib.h>

#include "lua/script_json.h"
#include "lua/script_state.h"

struct store_request;

/* All of them; provides "stoa" and "stoa.*" to require. */
void bind_all(lua_State *L);

/* Adds a table of functions to the table on top, under a name. */
void bind_library(lua_State *L, const char *name, const luaL_Reg *functions);
/* nil, word */
int bind_fail(lua_State *L, const char *word);
int bind_true(lua_State *L);
struct slice bind_text(lua_State *L, int index);
/* Arguments are read raw: a metamethod would run a script's code, which may change what was read already, or use the
 * vm's buffers. So a table's values stay alive until they are used. */
void bind_push_field(lua_State *L, int index, const char *name);
/* A field of the table at index: its text, or an empty slice when it is nil; raises when it is something else. The
 * text lives as long as the table holds it. */
struct slice bind_field(lua_State *L, int index, const char *name);
double bind_number_field(lua_State *L, int index, const char *name, double fallback);
/* Channel, message and client ids of the protocol: 1–64 of A-Za-z0-9_.:- */
bool bind_is_id(struct slice id);
/* A file's name, relative to the configuration's folder; its text stays on the stack. NULL: there is none. */
const char *bind_path_field(lua_State *L, int index, const char *name);

enum { BIND_OUT_MAX = 16 << 20 };
/* The arguments first…last as JSON in a buffer of the vm's; the problem is raised. bind_release gives it back. */
struct json_out bind_json(lua_State *L, int first, int last, unsigned attachments_max);
/* Takes the buffer from the vm while core code runs (which may call scripts again). */
struct buffer bind_take(lua_State *L);
void bind_release(struct vm *vm, struct buffer *buffer);
/* Raises unless the string at index is a valid event name for the server. */
void bind_check_event(lua_State *L, int index);
/* A request of the running task, which resumes with the values that push makes of an OK (else nil, word). Raises where
 * waiting is impossible; nothing may raise between this call and bind_submit. */
typedef int bind_push(lua_State *L, struct store_request *request);
struct store_request *bind_request(lua_State *L, int op, bind_push *push);
/* Submits and waits: a binding's last line. */
int bind_submit(lua_State *L, struct store_request **request);
bind_push bind_push_true, bind_push_value, bind_push_raw;
/* A request's slice: a copy of the text, in its arena. */
#define BIND_COPY(request, field, text) ((request)->field = store_request_copy(request, text))
/* "ok", "not_found", … of a store_status. */
const char *bind_store_word(int status);

#endif
