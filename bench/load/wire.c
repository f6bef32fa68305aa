/* SPDX-License-Identifier: Apache-2.0 */
#include "load/wire.h"

#include <endian.h>
#include <string.h>

void wire_write_frame(struct buffer *out, uint8_t first_byte, struct slice body) {
    char *at = buffer_reserve(out, body.len + 14);
    size_t head = 0;
    at[head++] = (char)first_byte;
    if (body.len < 126) {
        at[head++] = (char)(0x80 | body.len);
    } else if (body.len < 65536) {
        at[head++] = (char)(0x80 | 126);
        at[head++] = (char)(body.len >> 8);
        at[head++] = (char)body.len;
    } else {
        at[head++] = (char)(0x80 | 127);
        for (int shift = 56; shift >= 0; shift -= 8) at[head++] = (char)((uint64_t)body.len >> shift);
    }
    memset(at + head, 0, 4);
    head += 4;
    if (body.len > 0) memcpy(at + head, body.ptr, body.len);
    out->len += head + body.len;
}

size_t wire_read_frame(struct slice bytes, uint8_t *first_byte_r, struct slice *body_r) {
    const uint8_t *at = (const uint8_t *)bytes.ptr;
    if (bytes.len < 2) return 0;
    size_t head = 2, len = at[1];
    if (len == 126) {
        if (bytes.len < 4) return 0;
        len = (size_t)at[2] << 8 | at[3];
        head = 4;
    } else if (len == 127) {
        if (bytes.len < 10) return 0;
        len = 0;
        for (int i = 2; i < 10; i++) len = len << 8 | at[i];
        head = 10;
    }
    if (bytes.len - head < len) return 0;
    *first_byte_r = at[0];
    *body_r = (struct slice){bytes.ptr + head, len};
    return head + len;
}

static void write_hex(char *at, uint64_t value, int digits) {
    for (int i = digits - 1; i >= 0; i--, value >>= 4) at[i] = "0123456789abcdef"[value & 15];
}

/* Decodes eight lower-case hex digits at once: each byte becomes its digit's value, then neighbours are joined. */
static uint32_t read_hex8(const char *at) {
    uint64_t x;
    memcpy(&x, at, sizeof x);
    x = le64toh(x);
    x = (x & 0x0f0f0f0f0f0f0f0fU) + 9 * (x >> 6 & 0x0101010101010101U);
    x = (x << 4 | x >> 8) & 0x00ff00ff00ff00ffU;
    x = (x << 8 | x >> 16) & 0x0000ffff0000ffffU;
    return (uint32_t)(x << 16 | x >> 32);
}

void wire_write_payload(struct buffer *out, const struct stamp *stamp, size_t len) {
    char *at = buffer_reserve(out, len);
    memset(at, 'x', len);
    at[0] = at[1] = '@';
    write_hex(at + 2, stamp->publisher, 4);
    write_hex(at + 6, stamp->sequence, 8);
    write_hex(at + 14, stamp->due_ns, 16);
    out->len += len;
}

bool wire_find_stamp(struct slice text, size_t *offset_hint, struct stamp *stamp_r) {
    if (text.len < WIRE_STAMP_LEN) return false;
    const char *at = text.ptr + *offset_hint;
    if (*offset_hint + WIRE_STAMP_LEN > text.len || at[0] != '@' || at[1] != '@') {
        at = memmem(text.ptr, text.len, "@@", 2);
        if (!at || (size_t)(at - text.ptr) + WIRE_STAMP_LEN > text.len) return false;
        *offset_hint = (size_t)(at - text.ptr);
    }
    stamp_r->publisher = read_hex8(at + 2) >> 16;
    stamp_r->sequence = read_hex8(at + 6);
    stamp_r->due_ns = (uint64_t)read_hex8(at + 14) << 32 | read_hex8(at + 22);
    return true;
}
