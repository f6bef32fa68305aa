/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a Lua state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lua/vm_memory.h"

enum { LARGE = VM_MEMORY_STEP * VM_MEMORY_SIZES };

static struct vm_memory empty(void) {
    return (struct vm_memory){.arena.max_bytes = SIZE_MAX};
}

static void what_is_given_back_is_handed_out_again(void **state) {
    struct vm_memory memory = empty();
    void *blocks[100];
    size_t used = 0;
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < 100; i++) blocks[i] = vm_memory_resize(&memory, NULL, 0, i + 1);
        for (size_t i = 0; i < 100; i++) assert_null(vm_memory_resize(&memory, blocks[i], i + 1, 0));
        if (round == 0) used = memory.arena.used_bytes;
    }
    assert_true(used > 0);
    assert_int_equal(memory.arena.used_bytes, used);
    vm_memory_done(&memory);
}

static void blocks_are_apart_and_aligned(void **state) {
    struct vm_memory memory = empty();
    unsigned char *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = vm_memory_resize(&memory, NULL, 0, (size_t)i * 10 + 1);
        assert_int_equal((uintptr_t)blocks[i] % VM_MEMORY_STEP, 0);
        memset(blocks[i], i, (size_t)i * 10 + 1);
    }
    for (int i = 0; i < 64; i++) {
        for (int at = 0; at < i * 10 + 1; at++) assert_int_equal(blocks[i][at], i);
        vm_memory_resize(&memory, blocks[i], (size_t)i * 10 + 1, 0);
    }
    vm_memory_done(&memory);
}

/* Grows beyond the largest own block, to the process's allocator, and back. */
static void a_block_keeps_its_bytes_whatever_becomes_of_its_size(void **state) {
    static const size_t sizes[] = {1,          16,         17,    100, LARGE - 1, LARGE, LARGE + 1,
                                   10 * LARGE, 20 * LARGE, LARGE, 33,  32,        1};
    struct vm_memory memory = empty();
    char *block = NULL;
    size_t len = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        block = vm_memory_resize(&memory, block, len, sizes[i]);
        for (size_t at = 0; at < len && at < sizes[i]; at++) assert_int_equal(block[at], (char)at);
        for (size_t at = 0; at < sizes[i]; at++) block[at] = (char)at;
        len = sizes[i];
    }
    assert_null(vm_memory_resize(&memory, block, len, 0));
    assert_null(vm_memory_resize(&memory, NULL, 0, 0));
    vm_memory_done(&memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_back_is_handed_out_again),
        cmocka_unit_test(blocks_are_apart_and_aligned),
        cmocka_unit_test(a_block_keeps_its_bytes_whatever_becomes_of_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
