/* buffer.h - bytes that grow. Embedded by value; {0} is an empty buffer. */
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
/* Room for len more bytes; the place to write them to. Does not change buffer->len. */
char *buffer_reserve(struct buffer *buffer, size_t len);
void buffer_append(struct buffer *buffer, const char *ptr, size_t len);
void buffer_append_slice(struct buffer *buffer, struct slice slice);
void buffer_append_str(struct buffer *buffer, const char *str);
void buffer_append_char(struct buffer *buffer, char c);
/* In decimal. */
void buffer_append_number(struct buffer *buffer, uint64_t number);
void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
/* Removes the first len bytes. */
void buffer_consume(struct buffer *buffer, size_t len);
/* NUL-terminated; the caller owns it; the buffer is empty again. */
char *buffer_take(struct buffer *buffer, size_t *len_r);

static inline struct slice buffer_slice(const struct buffer *buffer) {
    return (struct slice){buffer->ptr, buffer->len};
}

#endif
