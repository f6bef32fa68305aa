/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - strict JSON (RFC 8259): validates bytes once, then walks them in place. Builds nothing.
 *
 * Limits: depth 32, 256 keys an object (beyond: refused; no collision attack), valid UTF-8. The escape of half a
 * surrogate pair (JavaScript writes one for a text cut within an emoji) becomes U+FFFD. The last of duplicate keys
 * wins, everywhere.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include <stdint.h>

#include "base/buffer.h"

enum { JSON_DEPTH_MAX = 32, JSON_KEYS_MAX = 256 };

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* One value and nothing after it but white space. False: the bytes are not JSON; no other function may be called with
 * them. */
bool json_valid(struct slice bytes) MUST_CHECK;

/* All below take validated bytes. */

/* Without the white space around it. */
struct slice json_trim(struct slice value);
enum json_type json_type_of(struct slice value);

/* A walk over the items of an array or the members of an object. */
struct json_walk {
    const char *at, *end;
};
/* value must be an array or an object. */
void json_walk_init(struct json_walk *walk, struct slice value);
/* The next item's bytes, trimmed; false at the end. */
bool json_walk_item(struct json_walk *walk, struct slice *value_r);
/* The next member: the key's bytes with the quotes (see json_string), and its value. */
bool json_walk_member(struct json_walk *walk, struct slice *key_r, struct slice *value_r);
/* Of an object: the value of the (last) member with that name; an empty slice if there is none or it is not an object.
 */
struct slice json_member(struct slice object, const char *name);
size_t json_count(struct slice array);

/* Appends the text of a string value, unescaped (UTF-8; may hold NUL bytes). value must be a string. */
void json_string(struct slice value, struct buffer *out);
/* True if the string value equals text after unescaping. */
bool json_string_is(struct slice value, struct slice text);
/* False if the value is no integer in range, or not written as one (1.0 and 1e3 are none). */
bool json_integer(struct slice value, int64_t *number_r) MUST_CHECK;
/* True: a string or a member name in it, at any depth, contains U+0000. */
bool json_holds_nul(struct slice value);
/* The nearest double; infinity when out of range (1e999). */
double json_number(struct slice value);

/* Writing: text as a JSON string with quotes. Escapes what must be, and U+2028/9. text must be UTF-8. */
void json_write_string(struct buffer *out, struct slice text);
/* Shortest form that reads back as the same double; integers without a fraction. NaN and infinities: null. */
void json_write_number(struct buffer *out, double number);
void json_write_integer(struct buffer *out, int64_t number);

/* 0 to 15; -1: it is no hexadecimal digit. */
static inline int json_hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

#endif
