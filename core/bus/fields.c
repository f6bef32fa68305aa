/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/fields.h"

enum { LENGTH_BYTES = 4, NUMBER_BYTES = 8 };

void fields_add(struct buffer *out, struct slice part) {
    for (int shift = 24; shift >= 0; shift -= 8) buffer_append_char(out, (char)(part.len >> shift));
    buffer_append_slice(out, part);
}

bool fields_take(struct slice *rest, struct slice *part_r) {
    size_t len = 0;
    if (rest->len < LENGTH_BYTES) return false;
    for (int i = 0; i < LENGTH_BYTES; i++) len = len << 8 | (unsigned char)rest->ptr[i];
    if (rest->len - LENGTH_BYTES < len) return false;
    *part_r = (struct slice){rest->ptr + LENGTH_BYTES, len};
    *rest = slice_from(*rest, LENGTH_BYTES + len);
    return true;
}

void fields_remove(struct buffer *parts, struct slice part) {
    struct buffer kept = {0};
    struct slice rest = buffer_slice(parts), each;
    while (fields_take(&rest, &each))
        if (!slice_equal(each, part)) fields_add(&kept, each);
    buffer_done(parts);
    *parts = kept;
}

void fields_add_number(struct buffer *out, uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8) buffer_append_char(out, (char)(number >> shift));
}

bool fields_take_number(struct slice *rest, uint64_t *number_r) {
    if (rest->len < NUMBER_BYTES) return false;
    *number_r = 0;
    for (int i = 0; i < NUMBER_BYTES; i++) *number_r = *number_r << 8 | (unsigned char)rest->ptr[i];
    *rest = slice_from(*rest, NUMBER_BYTES);
    return true;
}
