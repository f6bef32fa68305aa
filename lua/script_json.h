/* SPDX-License-Identifier: Apache-2.0 */
/* script_json.h - converts JSON bytes to Lua values and back, and keeps arrays (also empty ones), null, bytes
 * (types.h).
 *
 * Integers beyond ±2^53 and numbers beyond a double arrive as strings; {"_placeholder":true,"num":i} stands for
 * attachment i.
 */
#ifndef LUA_SCRIPT_JSON_H
#define LUA_SCRIPT_JSON_H

#include <lua.h>

#include "base/buffer.h"

enum { JSON_ATTACHMENTS_MAX = 10, JSON_VALUES_MAX = 1 << 16 };

/* The most Lua memory that the value can take: estimated from the text's length or, for longer texts, from the number
 * of values. SIZE_MAX: too many values to push. json must be valid. */
size_t script_json_weight(struct slice json);

/* json must be valid. The run is charged for its length. Raises when memory runs out, for more than JSON_VALUES_MAX
 * values, and for a placeholder that names no attachment. */
void script_json_push(lua_State *L, struct slice json, const struct slice *attachments, unsigned attachments_len);

/* The same for a value that may be absent: nil when there is no JSON, or null. */
void script_json_push_given(lua_State *L, struct slice json);

/* The same in a state without a vm: the caller owns scratch, which must outlive a raise. */
void script_json_push_in(lua_State *L, struct slice json, const struct slice *attachments, unsigned attachments_len,
                         struct buffer *scratch);

extern const char JSON_TOO_LARGE[];

/* The output. The caller owns the buffer; attachments point into Lua values and live as long as these. */
struct json_out {
    struct buffer *out;
    size_t max_bytes;
    struct slice attachments[JSON_ATTACHMENTS_MAX];
    unsigned attachments_len, attachments_max; /* max 0: bytes are refused */
    const char *problem;                       /* after false: JSON_TOO_LARGE, or another sentence */
};
/* Appends the value at index; the names in objects are sorted. False, with a problem: a cycle or depth over 32, a key
 * that is no string, a number that is none, a function, text that is not UTF-8, more than max_bytes. */
bool script_json_pull(lua_State *L, int index, struct json_out *json) MUST_CHECK;
/* The same for values first…last as an array. */
bool script_json_pull_array(lua_State *L, int first, int last, struct json_out *json) MUST_CHECK;

#endif
