/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections a pool opens and closes: the requirements' bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "postgres/pool_plan.h"

static const struct pool_limits limits = {
    .min = 2, .max = 5, .reserve = 3, .depth = 1, .reserve_after_ms = 1000, .idle_ms = 30000, .lifetime_ms = 3600000};

#define OPENS(...) pool_plan_open(&limits, &(struct pool_load){.budget = 100, __VA_ARGS__})

static void a_minimum_is_kept_open(void **state) {
    assert_int_equal(OPENS(.connections = 0), 2);
    assert_int_equal(OPENS(.connections = 1), 1);
    assert_int_equal(OPENS(.connections = 2), 0);
}

static void waiting_queries_open_connections_up_to_the_maximum(void **state) {
    assert_int_equal(OPENS(.connections = 2, .waiting = 1), 1);
    assert_int_equal(OPENS(.connections = 2, .waiting = 2), 2);
    assert_int_equal(OPENS(.connections = 2, .waiting = 50), 3);
    assert_int_equal(OPENS(.connections = 5, .waiting = 50), 0);
}

static void what_is_on_its_way_is_not_opened_again(void **state) {
    assert_int_equal(OPENS(.connections = 3, .connecting = 1, .waiting = 1), 0);
    assert_int_equal(OPENS(.connections = 3, .idle = 1, .waiting = 1), 0);
    assert_int_equal(OPENS(.connections = 3, .connecting = 1, .waiting = 3), 2);
}

static void the_reserve_is_for_queries_that_have_waited(void **state) {
    assert_int_equal(OPENS(.connections = 5, .waiting = 9, .waited_ms = 999), 0);
    assert_int_equal(OPENS(.connections = 5, .waiting = 9, .waited_ms = 1000), 3);
    assert_int_equal(OPENS(.connections = 8, .waiting = 9, .waited_ms = 5000), 0);
}

static void the_budget_of_all_pools_is_never_exceeded(void **state) {
    assert_int_equal(pool_plan_open(&limits, &(struct pool_load){.waiting = 9, .budget = 1}), 1);
    assert_int_equal(pool_plan_open(&limits, &(struct pool_load){.waiting = 9, .budget = 0}), 0);
}

/* A query that waits for somebody else's lock does not take it. */
static void the_last_connection_is_nobodys_to_keep(void **state) {
#define SPARES(...) pool_plan_can_spare(&limits, &(struct pool_load){.budget = 100, __VA_ARGS__})
    assert_true(SPARES(.connections = 5, .ready = 5));
    assert_true(SPARES(.connections = 5, .ready = 2));
    assert_false(SPARES(.connections = 5, .ready = 1, .connecting = 4));
    assert_true(SPARES(.connections = 1, .ready = 1));
    assert_false(SPARES(.connections = 1, .ready = 1, .is_failing = true));
    assert_false(pool_plan_can_spare(&limits, &(struct pool_load){.connections = 1, .ready = 1, .budget = 0}));
}

static void a_server_that_is_away_is_not_hammered(void **state) {
    assert_int_equal(OPENS(.waiting = 9, .backing_off = true), 0);
    for (unsigned failures = 1; failures < 100; failures++) {
        unsigned least = pool_plan_backoff_ms(failures, 0), most = pool_plan_backoff_ms(failures, UINT32_MAX);
        assert_in_range(least, 50, 1000);
        assert_in_range(most, least, 2000);
    }
    assert_int_not_equal(pool_plan_backoff_ms(9, 17), pool_plan_backoff_ms(9, 18));
}

static void a_server_that_went_is_tried_though_nobody_waits(void **state) {
    const struct pool_limits none = {.max = 5, .depth = 1};
    assert_int_equal(pool_plan_open(&none, &(struct pool_load){.budget = 9}), 0);
    assert_int_equal(pool_plan_open(&none, &(struct pool_load){.budget = 9, .is_failing = true}), 1);
    assert_int_equal(pool_plan_open(&none, &(struct pool_load){.budget = 9, .is_failing = true, .connections = 1}), 0);
    assert_int_equal(pool_plan_open(&none, &(struct pool_load){.budget = 9, .is_failing = true, .backing_off = true}),
                     0);
}

static void idle_connections_beyond_the_minimum_are_closed(void **state) {
    struct pool_load load = {.connections = 3};
    assert_false(pool_plan_close(&limits, &load, 29999, 40000, 3600000));
    assert_true(pool_plan_close(&limits, &load, 30000, 40000, 3600000));
    load.connections = 2;
    assert_false(pool_plan_close(&limits, &load, 30000, 40000, 3600000));
}

static void connections_made_at_once_do_not_end_at_once(void **state) {
    struct pool_load load = {.connections = 2};
    uint64_t first = pool_plan_lifetime_ms(3600000, 0), last = pool_plan_lifetime_ms(3600000, 719999);
    assert_in_range(first, 3600000 * 9 / 10 - 1, 3600000);
    assert_in_range(last, 3600000, 3600000 * 11 / 10 + 1);
    assert_true(pool_plan_close(&limits, &load, 0, first, first));
    assert_false(pool_plan_close(&limits, &load, 0, first, last));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_minimum_is_kept_open),
        cmocka_unit_test(waiting_queries_open_connections_up_to_the_maximum),
        cmocka_unit_test(what_is_on_its_way_is_not_opened_again),
        cmocka_unit_test(the_reserve_is_for_queries_that_have_waited),
        cmocka_unit_test(the_budget_of_all_pools_is_never_exceeded),
        cmocka_unit_test(the_last_connection_is_nobodys_to_keep),
        cmocka_unit_test(a_server_that_is_away_is_not_hammered),
        cmocka_unit_test(a_server_that_went_is_tried_though_nobody_waits),
        cmocka_unit_test(idle_connections_beyond_the_minimum_are_closed),
        cmocka_unit_test(connections_made_at_once_do_not_end_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
