/* SPDX-License-Identifier: Apache-2.0 */
/* key_lines.h - on which line of a configuration file each key stands: the values that Lua made do not know. */
#ifndef CONFIG_KEY_LINES_H
#define CONFIG_KEY_LINES_H

#include "base/slice.h"

struct value;

/* Finds the table behind the last top-level "return" of the text and gives the tree's values their lines; what is not
 * written there literally keeps the line of the table it is in. Tables are put in the order of their lines. */
void key_lines_add(struct value *tree, struct slice text);
/* Each env "NAME" in the file that nothing takes the place of (no `or` follows). */
void key_lines_each_env(struct slice text, void (*fn)(void *owner, unsigned line, struct slice name), void *owner);

#endif
