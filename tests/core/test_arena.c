/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void the_bound_holds_and_clearing_gives_all_back(void **state) {
    struct arena arena = {.max_bytes = 10000};
    for (int round = 0; round < 3; round++) {
        assert_non_null(arena_take(&arena, 6000));
        assert_non_null(arena_take(&arena, 4000));
        assert_null(arena_take(&arena, 1));
        assert_null(arena_take(&arena, SIZE_MAX));
        assert_non_null(arena_take(&arena, 0));
        arena_clear(&arena);
    }
    arena_done(&arena);
}

static void what_was_taken_stays_where_it_is(void **state) {
    struct arena arena = {.max_bytes = 1000000};
    char *taken[1000];
    for (int i = 0; i < 1000; i++) {
        taken[i] = arena_take(&arena, 1 + (size_t)i % 100);
        assert_int_equal((uintptr_t)taken[i] % _Alignof(max_align_t), 0);
        memset(taken[i], i % 128, 1 + (size_t)i % 100);
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(taken[i][i % 100], i % 128);
    arena_done(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_holds_and_clearing_gives_all_back),
        cmocka_unit_test(what_was_taken_stays_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
