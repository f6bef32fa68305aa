/* SPDX-License-Identifier: Apache-2.0 */
/* key_lines.h - finds the line of each key in a configuration file, which the values from Lua do not have. */
#ifndef CONFIG_KEY_LINES_H
#define CONFIG_KEY_LINES_H

#include "base/slice.h"

struct value;

/* Finds the table after the last top-level "return" of the text and sets the lines of the tree's values. A value that
 * is not written there literally keeps the line of its table. Sorts tables by line. */
void key_lines_add(struct value *tree, struct slice text);
/* Calls fn for each env "NAME" in the file without a fallback (no `or` follows). */
void key_lines_each_env(struct slice text, void (*fn)(void *owner, unsigned line, struct slice name), void *owner);

#endif
