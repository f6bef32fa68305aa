/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - world:client(options) of stoa.testing: a client with send, take, leave, closed. */
#ifndef LUA_TESTING_CLIENT_H
#define LUA_TESTING_CLIENT_H

#include <lua.h>

int client_new(lua_State *L);
/* Makes the class. */
void client_open(lua_State *L);

#endif
