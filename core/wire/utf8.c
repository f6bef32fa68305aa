/* SPDX-License-Identifier: Apache-2.0 */
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

static bool begin_character(struct utf8_stream *stream, unsigned char lead) {
    unsigned left = lead < 0xC2 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : lead < 0xF5 ? 3 : 0;
    unsigned least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80; /* else an overlong form */
    unsigned most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;  /* else a surrogate, or above U+10FFFF */
    *stream = (struct utf8_stream){(unsigned char)left, (unsigned char)least, (unsigned char)most};
    return left > 0;
}

bool utf8_add(struct utf8_stream *stream, struct slice piece) {
    const char *at = piece.ptr, *end = slice_end(piece);
    while (at != end) {
        uint64_t word;
        unsigned char c = (unsigned char)*at;
        if (stream->left > 0) {
            if (c < stream->least || c > stream->most) return false;
            *stream = (struct utf8_stream){(unsigned char)(stream->left - 1), 0x80, 0xBF};
            at++;
        } else if (end - at >= 8 && (memcpy(&word, at, 8), (word & 0x8080808080808080) == 0)) {
            at += 8;
        } else if (c < 0x80 || begin_character(stream, c)) {
            at++;
        } else {
            return false;
        }
    }
    return true;
}

struct slice utf8_cut(struct slice text, size_t max_bytes) {
    if (text.len <= max_bytes) return text;
    while (max_bytes > 0 && utf8_continues(text.ptr + max_bytes)) max_bytes--;
    return (struct slice){text.ptr, max_bytes};
}
