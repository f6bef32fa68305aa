/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/user_id.h"

#include "wire/utf8.h"

static bool is_control(const char *at, const char *end) {
    unsigned char c = (unsigned char)at[0];
    bool is_c1 = c == 0xC2 && at + 1 < end && (unsigned char)at[1] < 0xA0;
    return c < 0x20 || c == 0x7F || is_c1;
}

bool user_id_valid(struct slice id) {
    if (id.len < 1 || id.len > USER_ID_MAX || !utf8_valid(id)) return false;
    for (const char *at = id.ptr, *end = slice_end(id); at < end; at++)
        if (is_control(at, end)) return false;
    return true;
}
