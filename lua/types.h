/* SPDX-License-Identifier: Apache-2.0 */
/* types.h - the values that JSON has and Lua lacks: null, arrays that may be empty, bytes, JSON left as it is.
 *
 * null is one light userdata; an array is a table with a metatable; binary and raw are userdata with the bytes inside.
 */
#ifndef LUA_TYPES_H
#define LUA_TYPES_H

#include <lauxlib.h>

#include "base/slice.h"

/* Call it once per state, before the others here. */
void types_open(lua_State *L);

void types_push_null(lua_State *L);
bool types_is_null(lua_State *L, int index);
/* Marks the table on top as an array. */
void types_mark_array(lua_State *L);
bool types_is_array(lua_State *L, int index);
void types_push_binary(lua_State *L, struct slice bytes);
/* False: the value is not binary. The bytes live as long as the value. */
bool types_binary(lua_State *L, int index, struct slice *bytes_r);
/* json must be valid. */
void types_push_raw(lua_State *L, struct slice json);
bool types_raw(lua_State *L, int index, struct slice *json_r);

/* The address of its name identifies a class; only messages read the text. It is a static array of the class's unit. */

/* Pushes a zeroed full userdata of len bytes with the metatable that types_class made. */
void *types_new(lua_State *L, const char *class_name, size_t len);
/* NULL: the value is not of that class. */
void *types_test(lua_State *L, int index, const char *class_name);
/* Like types_test, but raises instead of NULL. */
void *types_check(lua_State *L, int index, const char *class_name);
/* Makes a class: a metatable that scripts cannot see. index NULL: __index is the table of methods. */
void types_class(lua_State *L, const char *class_name, const luaL_Reg *methods, lua_CFunction index,
                 lua_CFunction collect);
/* Replaces the table on top with a read-only proxy. */
void types_freeze(lua_State *L);

#endif
