/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.h - Lua's patterns (reference manual 5.1, section 5.4.1) with every step charged to the run's budget.
 *
 * LuaJIT's own matcher cannot be interrupted: a pattern of a few quantifiers holds it for hours.
 */
#ifndef LUA_PATTERN_H
#define LUA_PATTERN_H

#include <lua.h>
#include <stddef.h>

#include "base/slice.h"

enum { PATTERN_CAPTURES_MAX = 32 };

struct pattern_capture {
    const char *start;
    ptrdiff_t len; /* or what pattern.c marks open and position captures with */
};

struct pattern {
    lua_State *L;
    struct slice subject, text;
    bool anchored;         /* began with '^', which text no longer has */
    const char *first_end; /* of an item at the beginning that holds for the first character of any match; NULL: none */
    unsigned captures_len, depth, steps;
    struct pattern_capture captures[PATTERN_CAPTURES_MAX];
};

void pattern_init(struct pattern *pattern, lua_State *L, struct slice subject, struct slice text);
/* The end of the match that begins at the place given; NULL: none. Raises for a malformed pattern. */
const char *pattern_match(struct pattern *pattern, const char *at);
/* Pushes the captures, or, if there are none and whole is not NULL, the text from whole to end. How many. */
int pattern_push(struct pattern *pattern, const char *whole, const char *end);
/* Pushes capture i (from 0). */
void pattern_push_one(struct pattern *pattern, unsigned i, const char *whole, const char *end);

#endif
