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

/* -1: not of the alphabet, whose last two characters are given. */
static int sextet(char c, const char *last) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == last[0] ? 62 : c == last[1] ? 63 : -1;
}

/* Leaves out as it was when the text is refused. */
static bool decode(struct buffer *out, struct slice text, const char *alphabet) {
    if (text.len % 4 == 1) return false;
    char *at = buffer_reserve(out, text.len / 4 * 3 + 3), *start = at;
    uint32_t bits = 0;
    int count = 0;
    for (size_t i = 0; i < text.len; i++) {
        int value = sextet(text.ptr[i], alphabet + 62);
        if (value < 0) return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count < 8) continue;
        count -= 8;
        *at++ = (char)(bits >> count);
        bits &= (1u << count) - 1;
    }
    if (bits) return false;
    out->len += (size_t)(at - start);
    return true;
}

void base64_encode(struct buffer *out, struct slice bytes) {
    encode(out, bytes, standard, true);
}

void base64url_encode(struct buffer *out, struct slice bytes) {
    encode(out, bytes, url, false);
}

bool base64_decode(struct buffer *out, struct slice text) {
    size_t padding = 0;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=') padding++;
    if (padding && text.len % 4 != 0) return false;
    return decode(out, (struct slice){text.ptr, text.len - padding}, standard);
}

bool base64url_decode(struct buffer *out, struct slice text) {
    return decode(out, text, url);
}
