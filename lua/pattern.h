/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.h - Lua's patterns (reference manual 5.1, section 5.4.1) with every step charged to the run's budget.
 *
 * LuaJIT's own matcher cannot be interrupted: a pattern with a few quantifiers can run for hours.
 */
#ifndef LUA_PATTERN_H
#define LUA_PATTERN_H

#include <lua.h>
#include <stddef.h>

#include "base/slice.h"

enum { PATTERN_CAPTURES_MAX = 32 };

struct pattern_capture {
    const char *start;
    ptrdiff_t len; /* or pattern.c's mark for an open or a position capture */
};

struct pattern {
    lua_State *L;
    struct slice subject, text;
    bool anchored;         /* the pattern began with '^'; text is without it */
    const char *first_end; /* of an item at the beginning that holds for the first character of any match; NULL: none */
    unsigned captures_len, depth, steps;
    struct pattern_capture captures[PATTERN_CAPTURES_MAX];
};

void pattern_init(struct pattern *pattern, lua_State *L, struct slice subject, struct slice text);
/* Returns the end of the match that begins at the given position; NULL: no match. Raises for a malformed pattern. */
const char *pattern_match(struct pattern *pattern, const char *at);
/* Pushes the captures, or, if there are none and whole is not NULL, the text from whole to end; returns how many. */
int pattern_push(struct pattern *pattern, const char *whole, const char *end);
/* Pushes capture i (from 0). */
void pattern_push_one(struct pattern *pattern, unsigned i, const char *whole, const char *end);

#endif
