/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres/parameters.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>

/* OIDs from pg_type. */
enum { TYPE_FLAG = 16, TYPE_BYTES = 17, TYPE_INTEGER = 20, TYPE_TEXT = 25, TYPE_TEXTS = 1009, TYPE_INTEGERS = 1016 };

static void put32(struct buffer *out, int32_t number) {
    uint32_t big = htonl((uint32_t)number);
    buffer_append(out, (const char *)&big, sizeof big);
}

static void put64(struct buffer *out, int64_t number) {
    uint64_t big = htobe64((uint64_t)number);
    buffer_append(out, (const char *)&big, sizeof big);
}

void parameters_done(struct parameters *parameters) {
    buffer_done(&parameters->bytes);
    parameters->len = 0;
}

static struct parameter *begin(struct parameters *parameters, unsigned type) {
    assert(parameters->len < PARAMETERS_MAX);
    struct parameter *item = &parameters->items[parameters->len++];
    *item = (struct parameter){.type = type, .start = parameters->bytes.len};
    return item;
}

/* The bytes written since begin belong to the last parameter. */
static void end(struct parameters *parameters) {
    struct parameter *item = &parameters->items[parameters->len - 1];
    item->len = parameters->bytes.len - item->start;
}

void parameters_add_text(struct parameters *parameters, struct slice text) {
    begin(parameters, TYPE_TEXT)->is_null = text.len == 0;
    buffer_append_slice(&parameters->bytes, text);
    end(parameters);
}

void parameters_add_integer(struct parameters *parameters, int64_t number) {
    begin(parameters, TYPE_INTEGER);
    put64(&parameters->bytes, number);
    end(parameters);
}

void parameters_add_flag(struct parameters *parameters, bool flag) {
    begin(parameters, TYPE_FLAG);
    buffer_append_char(&parameters->bytes, flag);
    end(parameters);
}

void parameters_add_bytes(struct parameters *parameters, struct slice bytes) {
    begin(parameters, TYPE_BYTES);
    buffer_append_slice(&parameters->bytes, bytes);
    end(parameters);
}

/* One dimension that begins at 1, and may hold NULLs; an empty array has no dimension. */
static void begin_array(struct parameters *parameters, unsigned type, int32_t item_type, unsigned len) {
    struct buffer *out = &parameters->bytes;
    begin(parameters, type);
    put32(out, len > 0);
    put32(out, 1);
    put32(out, item_type);
    if (len > 0) {
        put32(out, (int32_t)len);
        put32(out, 1);
    }
    end(parameters);
}

void parameters_add_texts(struct parameters *parameters, unsigned len) {
    begin_array(parameters, TYPE_TEXTS, TYPE_TEXT, len);
}

void parameters_text_item(struct parameters *parameters, struct slice text) {
    put32(&parameters->bytes, text.len ? (int32_t)text.len : -1);
    buffer_append_slice(&parameters->bytes, text);
    end(parameters);
}

void parameters_add_integers(struct parameters *parameters, unsigned len) {
    begin_array(parameters, TYPE_INTEGERS, TYPE_INTEGER, len);
}

void parameters_integer_item(struct parameters *parameters, int64_t number) {
    put32(&parameters->bytes, sizeof number);
    put64(&parameters->bytes, number);
    end(parameters);
}
