/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of Redis, in two pieces: complete replies are walked to their end, errors are read as redirects. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "redis/redis_verdict.h"
#include "redis/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { MAX_BYTES = 65536 };

static unsigned walk(const struct redis_value *value, unsigned depth) {
    if (depth > RESP_MAX_DEPTH) abort();
    unsigned sum = (unsigned)value->type;
    struct slice address;
    unsigned slot;
    for (size_t i = 0; i < value->text.len; i++) sum += (unsigned char)value->text.ptr[i];
    if (value->text.ptr && value->text.ptr[value->text.len] != '\0') abort();
    if (value->type == REDIS_ERROR) {
        sum += (unsigned)verdict_of(value->text)->verdict;
        if (verdict_target(value->text, &slot, &address)) sum += slot + (unsigned)address.len;
    }
    for (size_t i = 0; i < value->items_len; i++) sum += walk(&value->items[i], depth + 1);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    struct resp_reader *reader = resp_reader_new(MAX_BYTES);
    struct arena arena = {.max_bytes = 2 * MAX_BYTES};
    size_t pieces[] = {len ? bytes[0] % len : 0, len};
    const struct redis_value *value;
    for (size_t piece = 0, at = 0; piece < 2; at = pieces[piece++]) {
        enum resp_state state;
        resp_reader_feed(reader, (const char *)bytes + at, pieces[piece] - at);
        while ((state = resp_reader_next(reader, &value)) == RESP_WHOLE) {
            struct redis_value copy;
            arena_clear(&arena);
            if (resp_copy(&arena, value, &copy) && walk(value, 0) != walk(&copy, 0)) abort();
        }
        if (state == RESP_BROKEN) break;
    }
    arena_done(&arena);
    resp_reader_free(&reader);
    return 0;
}
