/* SPDX-License-Identifier: Apache-2.0 */
/* bind_internal.h - the list of the binding files, and functions that they share. */
#ifndef LUA_BIND_INTERNAL_H
#define LUA_BIND_INTERNAL_H

#include "lua/bind.h"

struct socket;

/* Each adds its functions to the table stoa on top of the stack. */
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

/* Free what the modules keep in a script_state. */
void bind_limit_free(struct script_state *scripts);
void bind_cache_free(struct script_state *scripts);
void bind_dial_free(struct script_state *scripts);

/* ---- shared ---- */

/* Adds to, except, volatile, presence, emit of a namespace to the table on top. */
void bind_room_namespace(lua_State *L, const char *namespace_name);
/* Reads the UTF-8 string or the binary at index; raises for anything else. True: binary. */
bool bind_connection_message(lua_State *L, int index, struct slice *message_r);
/* Reads the code at index (1000 if absent) and the reason after it; raises if an endpoint may not send them. */
uint16_t bind_connection_close_code(lua_State *L, int index, struct slice *reason_r);
/* Raises unless the value at index names a subprotocol. */
void bind_connection_check_protocol(lua_State *L, int index);
/* The field "headers" of the table at index: "name: value" for each; the strings stay on the stack. Returns how many.
 */
size_t bind_http_headers(lua_State *L, int index, const char **headers, size_t max);
/* stoa.websocket.connect */
int bind_dial_connect(lua_State *L);
/* Pushes a socket. */
void bind_socket_push(lua_State *L, struct socket *socket);
/* NULL: the socket has gone. Raises if the value is not a socket. */
struct socket *bind_socket_at(lua_State *L, int index);
struct slice bind_socket_id_at(lua_State *L, int index);
/* Pushes a client of a script's endpoint. */
void bind_connection_push(lua_State *L, struct slice session_id);
/* Pushes an emitter to room (empty: to all) that skips the socket with the id without (empty: skips none). */
void bind_room_push_emitter(lua_State *L, struct slice namespace_name, struct slice room, struct slice without);

/* Methods of emitters, and methods of sockets and channels from other files. */
int bind_claim_method(lua_State *L);
int bind_room_emit(lua_State *L), bind_room_volatile(lua_State *L), bind_room_except(lua_State *L);
int bind_append_method(lua_State *L);
int bind_append_asked(lua_State *L);
/* Empty: the id is malformed. Raises if the value is not a channel. */
struct slice bind_channel_id_at(lua_State *L, int index);
bool bind_channel_is_followed(struct slice channel_id, struct socket *socket);

#endif
