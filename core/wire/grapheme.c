/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/grapheme.h"

#include <utf8proc.h>

/* Spaces and control characters, which are invisible alone. Unassigned characters count as visible: a later Unicode may
 * define them. */
static bool shows(utf8proc_int32_t codepoint) {
    switch (utf8proc_category(codepoint)) {
        case UTF8PROC_CATEGORY_ZS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP:
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
            return false;
        default:
            return true;
    }
}

bool grapheme_is_one(struct slice text) {
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text.ptr;
    utf8proc_ssize_t left = (utf8proc_ssize_t)text.len, len;
    utf8proc_int32_t before = -1, codepoint, state = 0;
    for (; left > 0; at += len, left -= len, before = codepoint) {
        len = utf8proc_iterate(at, left, &codepoint);
        if (len <= 0) return false;
        if (before < 0 ? !shows(codepoint) : utf8proc_grapheme_break_stateful(before, codepoint, &state)) return false;
    }
    return before >= 0;
}
