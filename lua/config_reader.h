/* SPDX-License-Identifier: Apache-2.0 */
/* config_reader.h - configurations as sandboxed Lua: from a file, or from a Lua value (for stoa.testing). */
#ifndef LUA_CONFIG_READER_H
#define LUA_CONFIG_READER_H

#include <lua.h>

#include "base/error.h"

struct config;

/* Reads a configuration file as sandboxed Lua. sets: "a.b=VALUE". NULL: FILE:LINE: … */
struct config *config_reader_read(const char *path, const char *const *sets, size_t sets_len, struct error *error_r);

/* Reads only the texts and paths of the given keys (NULL at the end), for shell commands, even if other keys are wrong.
 * texts_r: as config_peek. False: the file does not even evaluate (error_r). */
bool config_reader_peek(const char *path, const char *const *sets, size_t sets_len, const char *const *names,
                        char **texts_r, struct error *error_r);

/* Reads the table at index as if the configuration file at path (absolute) had returned it. Raises for a type that
 * configurations cannot hold. */
struct config *config_reader_from_table(lua_State *L, int index, const char *path, struct error *error_r);

#endif
