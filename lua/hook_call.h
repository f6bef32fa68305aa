/* SPDX-License-Identifier: Apache-2.0 */
/* hook_call.h - turns policy calls into calls of handlers and hooks, and their results into answers. */
#ifndef LUA_HOOK_CALL_H
#define LUA_HOOK_CALL_H

#include <lua.h>

#include "policy/policy.h"

struct script_state;

void hook_call_ask(struct script_state *scripts, struct policy_call *call);
void hook_call_forget(struct policy_call *call);
bool hook_call_handled(const struct script_state *scripts, enum policy_point point, struct slice namespace_name,
                       struct slice name);
/* Pops and keeps the result of lua/stoa/hooks.lua: the functions that call the hooks of a point. */
void hook_call_keep(lua_State *L);

#endif
