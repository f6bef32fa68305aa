/* SPDX-License-Identifier: Apache-2.0 */
/* bind.h - what the binding files share, and the list of them.
 *
 * One file a module that scripts see. Each bind_x adds its functions to the table stoa on top of the stack. A run-time
 * failure returns nil and a word; a wrong argument raises.
 */
#ifndef LUA_BIND_H
#define LUA_BIND_H

#include <lauxlib.h>

#include "lua/json.h"
#include "lua/script_state.h"

struct socket;
struct store_request;

/* Where the registry holds the functions of lua/stoa/hooks.lua. */
#define HOOKS_ENTRY "stoa.hooks"

/* All of them; provides "stoa" and "stoa.*" to require. */
void bind_all(lua_State *L);

void bind_string(lua_State *L); /* Lua's own tables string and table */
void bind_table(lua_State *L);
void bind_stoa(lua_State *L);
void bind_shards(lua_State *L);
void bind_values(lua_State *L);
void bind_socket(lua_State *L);
void bind_connection(lua_State *L);
void bind_dial(lua_State *L);
void bind_room(lua_State *L);
void bind_channel(lua_State *L);
void bind_user(lua_State *L);
void bind_session(lua_State *L);
void bind_presence(lua_State *L);
void bind_limit(lua_State *L);
void bind_cache(lua_State *L);
void bind_shared(lua_State *L);
void bind_jwt(lua_State *L);
void bind_http(lua_State *L);
void bind_log(lua_State *L);
void bind_metrics(lua_State *L);
void bind_crypto(lua_State *L);
void bind_audit(lua_State *L);

/* What the modules keep with a host. */
void limits_free(struct script_state *scripts);
void caches_free(struct script_state *scripts);
void http_client_free(struct http_client **http);
void upstreams_free(struct script_state *scripts);

/* Adds a table of functions to the table on top, under a name. */
void bind_library(lua_State *L, const char *name, const luaL_Reg *functions);
/* nil, word */
int bind_fail(lua_State *L, const char *word);
int bind_true(lua_State *L);
struct slice bind_text(lua_State *L, int index);
/* Arguments are read raw: a metamethod would run a script's code, which may change what was read already, or use the
 * vm's buffers. So what a table holds is there until it is used. */
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
/* The buffer, out of the vm's hands while core code runs (which may come back with another question). */
struct buffer bind_take(lua_State *L);
void bind_release(struct vm *vm, struct buffer *buffer);
/* Adds to, except, volatile, presence, emit of a namespace to the table on top. */
void bind_namespace_rooms(lua_State *L, const char *namespace_name);

/* Raises unless the string at index can be an event of ours. */
void bind_check_event(lua_State *L, int index);
/* The string, which must be UTF-8, or the binary at index; raises when it is none. True: binary. */
bool bind_message(lua_State *L, int index, struct slice *message_r);
/* The code (1000 when there is none) and the reason at index and behind it; raises when an endpoint may not send them.
 */
uint16_t bind_close_code(lua_State *L, int index, struct slice *reason_r);
/* Raises unless the value at index names a subprotocol. */
void bind_check_protocol(lua_State *L, int index);
/* The field "headers" of the table at index: "name: value" for each; they stay on the stack. How many. */
size_t bind_headers(lua_State *L, int index, const char **headers, size_t max);
/* stoa.websocket.connect */
int upstream_connect(lua_State *L);
/* Sockets and emitters for other bindings. */
void socket_push(lua_State *L, struct socket *socket);
/* NULL: gone. Raises: no socket. */
struct socket *socket_at(lua_State *L, int index);
struct slice socket_id_at(lua_State *L, int index);
/* A client of an endpoint of scripts. */
void connection_push(lua_State *L, struct slice session_id);
/* Pushes an emitter to room (none: to all), without the socket with that id (none: empty). */
void emitter_push(lua_State *L, struct slice namespace_name, struct slice room, struct slice without);

/* Methods of emitters, and what sockets and channels lend from another file. */
int socket_claim_method(lua_State *L);
int emitter_emit(lua_State *L), emitter_volatile(lua_State *L), emitter_except(lua_State *L);
int channel_append(lua_State *L);
int channel_appended(lua_State *L);
/* Empty: the id is malformed. Raises: no channel. */
struct slice channel_id_at(lua_State *L, int index);
bool channel_is_followed(struct slice channel_id, struct socket *socket);

/* A request of the running task, which resumes with what push makes of an OK (else nil, word). Raises where nothing
 * can wait; nothing may raise between this and bind_submit. */
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
