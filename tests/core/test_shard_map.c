/* SPDX-License-Identifier: Apache-2.0 */
/* The shard router: where channels live, and what a map must not do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "store/shard_map.h"

static void a_channels_bucket_is_the_same_for_ever(void **state) {
    assert_int_equal(shard_map_bucket(SLICE("lobby")), 1747);
    assert_int_equal(shard_map_bucket(SLICE("Lobby")), 64);
    assert_int_equal(shard_map_bucket(SLICE("")), 215);
}

/* Ids that begin with the time, or with no hexadecimal digit, spread all the same. */
static void ids_that_begin_alike_spread_over_all_shards(void **state) {
    static const char *const forms[] = {"018f3c2e-%04x-7c1a-7000-8000", "zz-%04x", "01HXAMPLE%04X", "COURSE-%04X"};
    struct shard_map *map = shard_map_new_even(3);
    for (size_t form = 0; form < sizeof forms / sizeof *forms; form++) {
        unsigned channels[3] = {0};
        for (unsigned i = 0; i < 3000; i++) {
            char id[64];
            snprintf(id, sizeof id, forms[form], i);
            int shard = shard_map_find(map, slice_of(id));
            assert_in_range(shard, 0, 2);
            channels[shard]++;
        }
        for (int shard = 0; shard < 3; shard++) assert_in_range(channels[shard], 850, 1150);
    }
    shard_map_unref(&map);
}

static void a_map_is_total_or_refused(void **state) {
    struct error error;
    struct shard_map *map = shard_map_new(2);
    assert_true(shard_map_add(map, 0, 2047, 0, &error));
    assert_false(shard_map_is_total(map, &error));
    assert_string_equal(error.text, "bucket 2048 is not mapped");
    assert_false(shard_map_add(map, 2047, 4095, 1, &error));
    assert_string_equal(error.text, "bucket 2047 is mapped twice");
    assert_false(shard_map_add(map, 2048, 4095, 2, &error));
    assert_false(shard_map_add(map, 2048, 4096, 1, &error));
    assert_false(shard_map_add(map, 4095, 2048, 1, &error));
    assert_true(shard_map_add(map, 2048, 4095, 1, &error));
    assert_true(shard_map_is_total(map, &error));
    shard_map_unref(&map);
}

static void growing_by_empty_shards_moves_nothing_by_itself(void **state) {
    struct error error;
    struct shard_map *two = shard_map_new_even(2), *three = shard_map_new_even(3);
    struct shard_held held[] = {{10, 0, SLICE("a")}, {4095, 1, SLICE("b")}};
    assert_true(shard_map_keeps(two, held, 2, &error));
    assert_false(shard_map_keeps(three, held, 2, &error));
    assert_string_equal(error.text, "bucket 4095 holds channels on shard 1, such as \"b\", and would move to shard 2");
    assert_true(shard_map_keeps(three, held, 1, &error));
    shard_map_unref(&two);
    shard_map_unref(&three);
}

static int locate_by_length(void *owner, struct slice channel_id) {
    return (int)channel_id.len - 1;
}

static void a_function_may_decide_and_its_nonsense_is_nowhere(void **state) {
    struct error error;
    struct shard_map *map = shard_map_new(2);
    struct shard_held held = {7, 0, SLICE("ab")};
    shard_map_set_locate(map, locate_by_length, NULL);
    assert_true(shard_map_is_total(map, &error));
    assert_int_equal(shard_map_find(map, SLICE("a")), 0);
    assert_int_equal(shard_map_find(map, SLICE("ab")), 1);
    assert_int_equal(shard_map_find(map, SLICE("abc")), -1);
    assert_int_equal(shard_map_find(map, SLICE_NONE), -1);
    assert_false(shard_map_keeps(map, &held, 1, &error));
    shard_map_retire(map);
    assert_int_equal(shard_map_find(map, SLICE("a")), -1);
    shard_map_unref(&map);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channels_bucket_is_the_same_for_ever),
        cmocka_unit_test(ids_that_begin_alike_spread_over_all_shards),
        cmocka_unit_test(a_map_is_total_or_refused),
        cmocka_unit_test(growing_by_empty_shards_moves_nothing_by_itself),
        cmocka_unit_test(a_function_may_decide_and_its_nonsense_is_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
