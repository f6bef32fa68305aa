/* SPDX-License-Identifier: Apache-2.0 */
/* globals.h - which globals a script reads that nobody has set: a slip of the pen, found before it runs.
 *
 * LuaJIT compiles the text, and its own instructions are looked through. What a script reads of _G on purpose
 * (_G.name) is no slip. */
#ifndef LUA_GLOBALS_H
#define LUA_GLOBALS_H

#include "base/error.h"
#include "base/slice.h"

/* has: is a global of that name there? Those that the text itself sets are not asked for. False: "PATH:LINE: …" of the
 * first that is not. A text that does not compile is good: who runs it will say why. */
bool globals_check(const char *path, struct slice text, bool (*has)(void *owner, const char *name), void *owner,
                   struct error *error_r) MUST_CHECK;

#endif
