/* json_scan.h - what json.c and json_text.c share: runs of a string's bytes that stand for themselves. */
#ifndef WIRE_JSON_SCAN_H
#define WIRE_JSON_SCAN_H

#include <stdint.h>

#include "base/slice.h"

/* Nonzero: some byte of word is zero. */
static inline uint64_t json_zero_bytes(uint64_t word) {
    return (word - 0x0101010101010101) & ~word & 0x8080808080808080;
}

/* The first byte that is a quote, a backslash, a control character or part of a longer UTF-8 sequence; else end. */
static inline const char *json_plain_end(const char *at, const char *end) {
    const uint64_t every = 0x0101010101010101, high = 0x8080808080808080;
    uint64_t word;
    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        uint64_t control = (word - every * 0x20) & ~word;
        uint64_t special = (control | word) & high;
        if (special | json_zero_bytes(word ^ every * '"') | json_zero_bytes(word ^ every * '\\')) break;
    }
    while (at != end && (unsigned char)(*at - 0x20) < 0x60 && *at != '"' && *at != '\\') at++;
    return at;
}

static inline int json_hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

#endif
