/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.h - a script's environment: a whitelist of Lua's functions, its own global table, our require.
 *
 * The sandbox limits accidents; it does not stop a hostile author (docs/security.md). Scripts are text, never bytecode.
 * A script's globals can be set while it is loaded and are frozen afterwards, so that no data of one user's call
 * reaches another's.
 */
#ifndef LUA_SANDBOX_H
#define LUA_SANDBOX_H

#include <lua.h>

#include "base/slice.h"

/* All raise. They run under vm_protect. */

/* Opens the libraries and builds the whitelist. find_source: returns the text of a required file, or an empty pointer
 * if there is none (owner: the vm's). NULL: nothing can be required. */
typedef struct slice sandbox_source(void *owner, const char *path);
void sandbox_open(lua_State *L, sandbox_source *find_source);
/* Pops the value on top; require(name) returns it from now on. */
void sandbox_provide(lua_State *L, const char *name);
/* Pushes the chunk as a function with its own globals. path: for messages; require is relative to it. */
void sandbox_load(lua_State *L, const char *path, struct slice text);
/* Pushes what the file at path returns; a file is run once. */
void sandbox_run(lua_State *L, const char *path);
/* Pops the globals of the script at path after its run. Raises if the script reads a global that is not among them. */
void sandbox_check_globals(lua_State *L, const char *path, struct slice text);
/* Pushes what an embedded library (lua/stoa/NAME.lua) returns when called with the args values on top, which it pops.
 */
void sandbox_run_embedded(lua_State *L, const char *name, int args);

/* lua/stoa/NAME.lua, built into the executable. */
struct embedded {
    const char *name;
    const unsigned char *text;
    size_t len;
};
extern const struct embedded embedded[];
extern const size_t embedded_len;

#endif
