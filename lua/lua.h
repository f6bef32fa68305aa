/* SPDX-License-Identifier: Apache-2.0 */
/* lua.h - what main.c gives to the worker: policies made of Lua scripts, configurations read from Lua files. */
#ifndef LUA_LUA_H
#define LUA_LUA_H

#include "worker/worker.h"

extern const struct policy_source lua_policy_source;

/* Reads a configuration file as sandboxed Lua. sets: "a.b=VALUE". NULL: FILE:LINE: … */
struct config *lua_read_config(const char *path, const char *const *sets, size_t sets_len, struct error *error_r);

/* Of such a file only what a command of the shell needs: texts and paths by their keys (NULL at the end), whatever is
 * wrong with the others. texts_r: as config_peek. False: the file does not even evaluate (error_r). */
bool lua_peek_config(const char *path, const char *const *sets, size_t sets_len, const char *const *names,
                     char **texts_r, struct error *error_r);

#endif
