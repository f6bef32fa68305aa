#include "wire/utf8.h"

#include <stdint.h>

bool utf8_valid(struct slice bytes) {
    const char *at = bytes.ptr, *end = slice_end(bytes);
    while (at != end) {
        uint64_t word;
        if (end - at >= 8 && (memcpy(&word, at, 8), (word & 0x8080808080808080) == 0)) {
            at += 8;
        } else if ((unsigned char)*at < 0x80) {
            at++;
        } else {
            size_t len = utf8_sequence(at, end);
            if (len == 0) return false;
            at += len;
        }
    }
    return true;
}
