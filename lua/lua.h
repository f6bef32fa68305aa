/* lua.h - what main.c gives to the worker: policies made of Lua scripts, configurations read from Lua files. */
#ifndef LUA_LUA_H
#define LUA_LUA_H

#include "server/worker.h"

extern const struct policy_source lua_policy_source;

/* Reads a configuration file as sandboxed Lua. sets: "a.b=VALUE". NULL: FILE:LINE: … */
struct config *lua_read_config(const char *path, const char *const *sets, size_t sets_len, struct error *error_r);

#endif
