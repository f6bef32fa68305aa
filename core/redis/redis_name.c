/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_name.h"

static bool is_plain(char c) {
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool is_digit_or_colon = c >= '0' && c <= ':';
    return is_letter || is_digit_or_colon || (c >= '-' && c <= '/') || c == '_' || c == '@' || c == '#' || c == '!';
}

void redis_name_append(struct buffer *out, struct slice text) {
    while (text.len > 0) {
        size_t len = 0;
        while (len < text.len && is_plain(text.ptr[len])) len++;
        buffer_append(out, text.ptr, len);
        if (len == text.len) return;
        buffer_printf(out, "%%%02X", (unsigned char)text.ptr[len]);
        text = slice_from(text, len + 1);
    }
}
