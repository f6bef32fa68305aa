/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *or_abort(void *ptr) {
    static const char line[] = "out of memory\n";
    if (ptr) return ptr;
    if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0) abort();
    abort();
}

void *memory_new(size_t len) {
    return or_abort(calloc(1, len ? len : 1));
}

void *memory_resize(void *ptr, size_t len) {
    return or_abort(realloc(ptr, len ? len : 1));
}

char *memory_copy(const char *ptr, size_t len) {
    char *copy = or_abort(malloc(len + 1));
    if (len) memcpy(copy, ptr, len);
    copy[len] = '\0';
    return copy;
}
