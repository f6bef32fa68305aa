/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef WIRE_UTF8_H
#define WIRE_UTF8_H

#include "base/slice.h"

bool utf8_valid(struct slice bytes);
/* The longest prefix of valid text with at most max_bytes bytes, cut between characters. */
struct slice utf8_cut(struct slice text, size_t max_bytes);

/* Validates text that arrives in pieces, cut anywhere; {0} before the first. */
struct utf8_stream {
    unsigned char left;        /* bytes of a character still to come */
    unsigned char least, most; /* of the next one */
};
/* False as soon as no continuation can make the text valid. */
bool utf8_add(struct utf8_stream *stream, struct slice piece);
/* True: the text so far ends at a character boundary. */
static inline bool utf8_whole(const struct utf8_stream *stream) {
    return stream->left == 0;
}

static inline bool utf8_continues(const char *at) {
    return ((unsigned char)*at & 0xC0) == 0x80;
}

/* The length of the character of more than one byte that begins at at; 0: there is none. at < end. */
static inline size_t utf8_sequence(const char *at, const char *end) {
    unsigned char lead = (unsigned char)at[0];
    size_t len = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (len == 0 || (size_t)(end - at) < len || !utf8_continues(at + 1)) return 0;
    unsigned char second = (unsigned char)at[1];
    if (len > 2 && !utf8_continues(at + 2)) return 0;
    if (len > 3 && !utf8_continues(at + 3)) return 0;
    bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    bool surrogate = lead == 0xED && second > 0x9F;
    bool too_high = lead == 0xF4 && second > 0x8F;
    return overlong || surrogate || too_high ? 0 : len;
}

#endif
