/* SPDX-License-Identifier: Apache-2.0 */
/* bind_presence.h - who is online, for the bindings of users and channels. Each is a binding's last line: it waits
 * where other workers must be asked. */
#ifndef LUA_BIND_PRESENCE_H
#define LUA_BIND_PRESENCE_H

#include <lua.h>

#include "base/slice.h"

/* Returns what these users (parts) are, as a list or the only one, and whether that is stale. */
int bind_presence_ask(lua_State *L, struct slice user_ids, bool is_list);
/* Returns who is online in the channel, at most names_max of them, how many there are, and whether that is stale. */
int bind_presence_ask_channel(lua_State *L, struct slice channel_id, size_t names_max);

#endif
