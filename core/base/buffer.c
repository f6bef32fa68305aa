/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAP_MIN = 64 };

void buffer_done(struct buffer *buffer) {
    free(buffer->ptr);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer) {
    buffer->len = 0;
}

void buffer_grow(struct buffer *buffer, size_t len) {
    assert(len < SIZE_MAX / 4 && buffer->len < SIZE_MAX / 4);
    size_t cap = buffer->cap ? buffer->cap : CAP_MIN;
    while (cap - buffer->len < len) cap *= 2;
    buffer->ptr = memory_resize(buffer->ptr, cap);
    buffer->cap = cap;
}

void buffer_append_number(struct buffer *buffer, uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    buffer_append(buffer, digits + at, sizeof digits - at);
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char *at = buffer_reserve(buffer, 1);
    int len = vsnprintf(at, buffer->cap - buffer->len, format, args);
    assert(len >= 0);
    if ((size_t)len >= buffer->cap - buffer->len)
        vsnprintf(buffer_reserve(buffer, (size_t)len + 1), (size_t)len + 1, format, again);
    buffer->len += (size_t)len;
    va_end(again);
    va_end(args);
}

void buffer_consume(struct buffer *buffer, size_t len) {
    assert(len <= buffer->len);
    buffer->len -= len;
    if (buffer->len && len) memmove(buffer->ptr, buffer->ptr + len, buffer->len);
}

char *buffer_take(struct buffer *buffer, size_t *len_r) {
    *buffer_reserve(buffer, 1) = '\0';
    char *taken = buffer->ptr;
    if (len_r) *len_r = buffer->len;
    *buffer = (struct buffer){0};
    return taken;
}
