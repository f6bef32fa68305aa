/* SPDX-License-Identifier: Apache-2.0 */
/* globals.h - finds globals that a script reads but nobody sets (typing mistakes) before the script runs.
 *
 * LuaJIT compiles the text; its bytecode is searched. Explicit reads of _G (_G.name) are allowed. */
#ifndef LUA_GLOBALS_H
#define LUA_GLOBALS_H

#include "base/error.h"
#include "base/slice.h"

/* has: does a global of that name exist? Not called for globals that the text itself sets. False: "PATH:LINE: …" of the
 * first missing one. A text that does not compile passes: running it reports the error. */
bool globals_check(const char *path, struct slice text, bool (*has)(void *owner, const char *name), void *owner,
                   struct error *error_r) MUST_CHECK;

#endif
