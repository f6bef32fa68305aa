#include "bus/parts.h"

enum { LENGTH_BYTES = 4 };

void parts_add(struct buffer *out, struct slice part) {
    for (int shift = 24; shift >= 0; shift -= 8) buffer_append_char(out, (char)(part.len >> shift));
    buffer_append_slice(out, part);
}

bool parts_take(struct slice *rest, struct slice *part_r) {
    size_t len = 0;
    if (rest->len < LENGTH_BYTES) return false;
    for (int i = 0; i < LENGTH_BYTES; i++) len = len << 8 | (unsigned char)rest->ptr[i];
    if (rest->len - LENGTH_BYTES < len) return false;
    *part_r = (struct slice){rest->ptr + LENGTH_BYTES, len};
    *rest = slice_from(*rest, LENGTH_BYTES + len);
    return true;
}
