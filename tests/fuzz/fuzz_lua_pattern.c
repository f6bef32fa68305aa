/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern and a subject, separated by a NUL: the matcher ends within its budget, and reads only its subject. */
#include <lauxlib.h>
#include <stdint.h>
#include <stdlib.h>

#include "lua/pattern.h"
#include "lua/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int match(lua_State *L) {
    const struct slice *input = lua_touserdata(L, 1);
    const char *nul = input->len > 0 ? memchr(input->ptr, 0, input->len) : NULL;
    size_t len = nul ? (size_t)(nul - input->ptr) : input->len;
    struct slice text = {input->ptr, len}, subject = nul ? slice_from(*input, len + 1) : SLICE("abc(abc)");
    struct pattern pattern;
    pattern_init(&pattern, L, subject, text);
    for (const char *at = subject.ptr; at <= subject.ptr + subject.len; at++) {
        const char *end = pattern_match(&pattern, at);
        if (!end) continue;
        if (end < at || end > subject.ptr + subject.len) abort();
        pattern_push(&pattern, at, end);
        lua_settop(L, 1);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const struct vm_settings settings = {.memory_bytes = (size_t)16 << 20,
                                                .run = {.instructions = 200000, .wall_ms = 200}};
    /* Exact copies, so that a read beyond the end is seen. */
    char *copy = malloc(len ? len : 1);
    struct slice input = {copy, len};
    struct error error;
    if (len) memcpy(copy, data, len);
    struct vm *vm = vm_new(&settings, NULL);
    if (!vm) abort();
    vm_begin(vm, &settings.run);
    bool ran = vm_protect(vm, match, &input, &error);
    (void)ran;
    vm_free(&vm);
    free(copy);
    return 0;
}
