/* SPDX-License-Identifier: Apache-2.0 */
/* buffer.h - a growing byte buffer. Embedded by value; {0} is an empty buffer. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

struct buffer {
    char *ptr;
    size_t len, cap;
};

void buffer_done(struct buffer *buffer);
/* Keeps the memory. */
void buffer_clear(struct buffer *buffer);
void buffer_grow(struct buffer *buffer, size_t len); /* for buffer_reserve only */

/* Makes room for len more bytes and returns the place to write them. Does not change buffer->len. */
static inline char *buffer_reserve(struct buffer *buffer, size_t len) {
    if (!buffer->ptr || buffer->cap - buffer->len < len) buffer_grow(buffer, len);
    return buffer->ptr + buffer->len;
}

static inline void buffer_append(struct buffer *buffer, const char *ptr, size_t len) {
    if (len == 0) return;
    memcpy(buffer_reserve(buffer, len), ptr, len);
    buffer->len += len;
}

static inline void buffer_append_slice(struct buffer *buffer, struct slice slice) {
    buffer_append(buffer, slice.ptr, slice.len);
}

static inline void buffer_append_str(struct buffer *buffer, const char *str) {
    buffer_append(buffer, str, strlen(str));
}

static inline void buffer_append_char(struct buffer *buffer, char c) {
    *buffer_reserve(buffer, 1) = c;
    buffer->len++;
}

/* In decimal. */
void buffer_append_number(struct buffer *buffer, uint64_t number);
void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
/* Removes the first len bytes. */
void buffer_consume(struct buffer *buffer, size_t len);
/* The text, NUL-terminated; the caller owns it. The buffer is empty afterwards. */
char *buffer_take(struct buffer *buffer, size_t *len_r);

static inline struct slice buffer_slice(const struct buffer *buffer) {
    return (struct slice){buffer->ptr, buffer->len};
}

#endif
