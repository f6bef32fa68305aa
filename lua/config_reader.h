/* SPDX-License-Identifier: Apache-2.0 */
/* config_reader.h - a configuration from a Lua value: for stoa.testing. */
#ifndef LUA_CONFIG_READER_H
#define LUA_CONFIG_READER_H

#include <lua.h>

#include "base/error.h"

struct config;

/* The table at index as the configuration file at path (absolute) would have returned it. Raises for what is no value.
 */
struct config *config_of_table(lua_State *L, int index, const char *path, struct error *error_r);

#endif
