/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/base64.h"

#include <stdint.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct buffer *out, struct slice bytes, const char *alphabet, bool padded) {
    const uint8_t *in = (const uint8_t *)bytes.ptr;
    char *at = buffer_reserve(out, bytes.len / 3 * 4 + 4), *start = at;
    size_t left = bytes.len;
    for (; left >= 3; left -= 3, in += 3) {
        uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        for (int shift = 18; shift >= 0; shift -= 6) *at++ = alphabet[group >> shift & 63];
    }
    if (left) {
        uint32_t group = (uint32_t)in[0] << 16 | (left == 2 ? (uint32_t)in[1] << 8 : 0);
        *at++ = alphabet[group >> 18];
        *at++ = alphabet[group >> 12 & 63];
        if (left == 2) *at++ = alphabet[group >> 6 & 63];
        for (size_t i = left; padded && i < 3; i++) *at++ = '=';
    }
    out->len += (size_t)(at - start);
}

enum { NO_SEXTET = -1 };

static int url_sextet(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : NO_SEXTET;
}

static int any_sextet(char c) {
    return c == '+' ? 62 : c == '/' ? 63 : url_sextet(c);
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Characters that become bytes, six bits each. */
struct base64_reader {
    char *at;
    uint32_t bits;
    int count; /* of bits that do not make a byte yet */
};

static void add_sextet(struct base64_reader *reader, int sextet) {
    reader->bits = reader->bits << 6 | (uint32_t)sextet;
    reader->count += 6;
    if (reader->count < 8) return;
    reader->count -= 8;
    *reader->at++ = (char)(reader->bits >> reader->count);
    reader->bits &= (1u << reader->count) - 1;
}

static size_t bytes_max(struct slice text) {
    return text.len / 4 * 3 + 3;
}

void base64_encode(struct buffer *out, struct slice bytes) {
    encode(out, bytes, standard, true);
}

void base64url_encode(struct buffer *out, struct slice bytes) {
    encode(out, bytes, url, false);
}

bool base64_decode(struct buffer *out, struct slice text) {
    struct base64_reader reader = {.at = buffer_reserve(out, bytes_max(text))};
    const char *start = reader.at;
    bool padded = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int sextet = any_sextet(c);
        if (sextet != NO_SEXTET && !padded)
            add_sextet(&reader, sextet);
        else if (c == '=')
            padded = true;
        else if (!is_space(c))
            return false;
    }
    if (reader.count == 6) return false;
    out->len += (size_t)(reader.at - start);
    return true;
}

bool base64url_decode(struct buffer *out, struct slice text) {
    struct base64_reader reader = {.at = buffer_reserve(out, bytes_max(text))};
    const char *start = reader.at;
    for (size_t i = 0; i < text.len; i++) {
        int sextet = url_sextet(text.ptr[i]);
        if (sextet == NO_SEXTET) return false;
        add_sextet(&reader, sextet);
    }
    if (reader.count == 6 || reader.bits) return false;
    out->len += (size_t)(reader.at - start);
    return true;
}
