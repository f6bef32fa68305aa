/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/url_query.h"

#include "wire/json.h"
#include "wire/utf8.h"

enum { PARAMETERS_MAX = 64 };

/* Appends the decoded text; false: a broken escape. */
static bool decode(struct slice text, struct buffer *out) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '+') {
            buffer_append_char(out, ' ');
        } else if (text.ptr[i] != '%') {
            buffer_append_char(out, text.ptr[i]);
        } else {
            int high = i + 2 < text.len ? json_hex_digit(text.ptr[i + 1]) : -1;
            int low = i + 2 < text.len ? json_hex_digit(text.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) return false;
            buffer_append_char(out, (char)(high << 4 | low));
            i += 2;
        }
    }
    return true;
}

/* The next "name=value" of the query, which moves on. */
static bool next_parameter(struct slice *query, struct slice *name_r, struct slice *value_r) {
    if (query->len == 0) return false;
    const char *amp = memchr(query->ptr, '&', query->len);
    struct slice pair = {query->ptr, amp ? (size_t)(amp - query->ptr) : query->len};
    *query = slice_from(*query, pair.len + 1);
    const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
    *name_r = equals ? (struct slice){pair.ptr, (size_t)(equals - pair.ptr)} : pair;
    *value_r = equals ? slice_from(pair, name_r->len + 1) : SLICE_NONE;
    return true;
}

static bool decodes_to(struct slice text, const char *plain) {
    if (!memchr(text.ptr, '%', text.len) && !memchr(text.ptr, '+', text.len)) return slice_is(text, plain);
    struct buffer decoded = {0};
    bool does = decode(text, &decoded) && slice_is(buffer_slice(&decoded), plain);
    buffer_done(&decoded);
    return does;
}

bool url_query_find(struct slice query, const char *name, struct buffer *value) {
    struct slice key, text;
    while (next_parameter(&query, &key, &text)) {
        if (!decodes_to(key, name)) continue;
        size_t before = value->len;
        if (decode(text, value)) return true;
        value->len = before;
        return false;
    }
    return false;
}

void url_query_write_json(struct slice query, struct buffer *out) {
    struct slice key, text;
    struct buffer name = {0}, value = {0};
    unsigned written = 0;
    buffer_reserve(&value, 1); /* an empty value is one, too */
    buffer_append_char(out, '{');
    while (written < PARAMETERS_MAX && next_parameter(&query, &key, &text)) {
        buffer_clear(&name);
        buffer_clear(&value);
        if (key.len == 0 || !decode(key, &name) || !decode(text, &value)) continue;
        if (!utf8_valid(buffer_slice(&name)) || !utf8_valid(buffer_slice(&value))) continue;
        if (written++) buffer_append_char(out, ',');
        json_write_string(out, buffer_slice(&name));
        buffer_append_char(out, ':');
        json_write_string(out, buffer_slice(&value));
    }
    buffer_append_char(out, '}');
    buffer_done(&name);
    buffer_done(&value);
}
