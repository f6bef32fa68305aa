/* SPDX-License-Identifier: Apache-2.0 */
/* value.h - what a configuration file evaluates to: a tree with the line of each key. Made by lua/, read by config.c.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "base/error.h"
#include "base/slice.h"

enum value_type { VALUE_BOOLEAN, VALUE_NUMBER, VALUE_TEXT, VALUE_TABLE };

struct value {
    enum value_type type;
    char *key;     /* in a table: its name; NULL for an item of a list */
    unsigned line; /* of the key in the file; 0: unknown (--set, computed) */
    bool boolean;
    double number;
    char *text;
    struct value *first, *next; /* a table's children: named ones and list items in order */
};

struct value *value_new(enum value_type type, const char *key);
void value_free(struct value **value);
/* The child of that name, or NULL. */
struct value *value_child(const struct value *table, const char *name);
/* "a.b.c" below root, or NULL. */
struct value *value_find(const struct value *root, const char *dotted);
/* The line where that stands, or where the nearest table stands that it would be in; 0: none does. */
unsigned value_line(const struct value *root, const char *dotted);
/* The same content: what has a name wherever it stands, for two Lua states walk a table in different orders. NULL is
 * equal to NULL alone. */
bool value_equal(const struct value *a, const struct value *b);
/* Takes child; replaces one of the same name. */
void value_add(struct value *table, struct value **child);
/* Sets "a.b.c" (creates tables on the way). Takes leaf. False: a step on the way is no table. */
bool value_set(struct value *root, const char *dotted, struct value **leaf, struct error *error_r) MUST_CHECK;
/* As JSON, for scripts (stoa.config). */
struct buffer;
void value_write_json(const struct value *value, struct buffer *out);

#endif
