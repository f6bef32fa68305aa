/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "inside/inside.h"
#include "limit/gcra.h"
#include "loop/loop.h"

static struct loop *loop;
static struct limiter *limiter;

static int set_up(void **state) {
    loop = loop_new_with_fake_clock();
    limiter = limiter_new(loop, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    limiter_free(&limiter);
    loop_free(&loop);
    return 0;
}

static struct limit_ask ask_of(const char *name, const char *key, unsigned count, uint64_t period_ms) {
    return (struct limit_ask){.name = slice_of(name), .key = slice_of(key), .rate = {count, period_ms}, .cost = 1};
}

static struct limit_answer take(const char *name, const char *key, unsigned count, uint64_t period_ms) {
    struct limit_ask ask = ask_of(name, key, count, period_ms);
    return limiter_take(limiter, &ask, 1);
}

static unsigned take_all(const char *key, unsigned count, uint64_t period_ms) {
    unsigned taken = 0;
    while (take("messages", key, count, period_ms).allowed) taken++;
    return taken;
}

static void a_burst_of_count_passes_and_no_more(void **state) {
    assert_int_equal(take("messages", "alice", 30, 60000).remaining, 29);
    assert_int_equal(take_all("alice", 30, 60000), 29);
    struct limit_answer refused = take("messages", "alice", 30, 60000);
    assert_false(refused.allowed);
    assert_int_equal(refused.remaining, 0);
    assert_int_equal(refused.retry_after_ms, 2000);
    assert_true(take("messages", "bob", 30, 60000).allowed);
    assert_true(take("joins", "alice", 30, 60000).allowed);
}

static void names_and_keys_do_not_run_into_each_other(void **state) {
    assert_true(take("ab", "c", 1, 1000).allowed);
    assert_true(take("a", "bc", 1, 1000).allowed);
    assert_false(take("ab", "c", 1, 1000).allowed);
}

/* Rates that do not divide: 7 in 60 s is one in 8571.43 ms. */
static void retry_after_is_exact(void **state) {
    static const struct rate rates[] = {{7, 60000}, {30, 60000}, {3, 1000}, {1000, 333}, {1, 1}};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        char key[24];
        snprintf(key, sizeof key, "k%zu", i);
        take_all(key, rates[i].count, rates[i].period_ms);
        for (int round = 0; round < 20; round++) {
            struct limit_answer refused = take("messages", key, rates[i].count, rates[i].period_ms);
            assert_false(refused.allowed);
            assert_true(refused.retry_after_ms > 0);
            if (refused.retry_after_ms > 1) {
                loop_advance(loop, refused.retry_after_ms - 1);
                assert_false(take("messages", key, rates[i].count, rates[i].period_ms).allowed);
            }
            loop_advance(loop, 1);
            assert_true(take_all(key, rates[i].count, rates[i].period_ms) >= 1);
        }
    }
}

/* A counter that lost its expiry would ban a client for ever. */
static void everybody_is_released_after_a_period(void **state) {
    take_all("alice", 5, 10000);
    for (int i = 0; i < 1000; i++) assert_false(take("messages", "alice", 5, 10000).allowed);
    loop_advance(loop, 10000);
    assert_int_equal(take_all("alice", 5, 10000), 5);
}

/* No second burst passes at the edge of a window: in any interval at most count plus what was regained. */
static void there_is_no_window_edge(void **state) {
    enum { COUNT = 10, PERIOD_MS = 1000, SPAN_MS = 5000 };
    static unsigned taken[SPAN_MS];
    for (unsigned ms = 0; ms < SPAN_MS; ms++) {
        taken[ms] = ms == 990 || ms > 1500 || ms % 97 == 0 ? take_all("alice", COUNT, PERIOD_MS) : 0;
        loop_advance(loop, 1);
    }
    for (unsigned from = 0; from < SPAN_MS; from++) {
        unsigned sum = 0;
        for (unsigned to = from; to < SPAN_MS; to++) {
            sum += taken[to];
            assert_true(sum <= COUNT + (to - from) * COUNT / PERIOD_MS);
        }
    }
}

/* If the channel's limit refuses, the user's is not charged, and refusals do not lengthen the wait. */
static void a_refusal_charges_nothing(void **state) {
    struct limit_ask asks[] = {ask_of("user", "alice", 5, 60000), ask_of("channel", "general", 2, 30000)};
    assert_true(limiter_take(limiter, asks, 2).allowed);
    assert_true(limiter_take(limiter, asks, 2).allowed);
    for (int i = 0; i < 100; i++) {
        struct limit_answer answer = limiter_take(limiter, asks, 2);
        assert_false(answer.allowed);
        assert_int_equal(answer.refused_by, 1);
        assert_int_equal(answer.retry_after_ms, 15000);
    }
    assert_int_equal(limiter_peek(limiter, asks, 1).remaining, 2);
}

static void the_longest_refusal_is_named(void **state) {
    take_all("alice", 1, 1000);
    struct limit_ask asks[] = {ask_of("messages", "alice", 1, 1000), ask_of("day", "alice", 1, 86400000)};
    assert_true(limiter_take(limiter, asks + 1, 1).allowed);
    struct limit_answer answer = limiter_take(limiter, asks, 2);
    assert_int_equal(answer.refused_by, 1);
    assert_int_equal(answer.retry_after_ms, 86400000);
}

static void a_key_asked_twice_pays_twice(void **state) {
    struct limit_ask asks[] = {ask_of("messages", "alice", 3, 1000), ask_of("messages", "alice", 3, 1000)};
    assert_true(limiter_take(limiter, asks, 2).allowed);
    assert_false(limiter_take(limiter, asks, 2).allowed);
    assert_true(limiter_take(limiter, asks, 1).allowed);
    assert_false(limiter_take(limiter, asks, 1).allowed);
}

static void peek_charges_nothing(void **state) {
    struct limit_ask ask = ask_of("messages", "alice", 2, 1000);
    for (int i = 0; i < 10; i++) assert_int_equal(limiter_peek(limiter, &ask, 1).remaining, 1);
    assert_int_equal(limiter_keys(limiter), 0);
}

static void a_cost_above_the_burst_takes_the_whole_of_it(void **state) {
    struct limit_ask ask = ask_of("bytes", "alice", 100, 1000);
    ask.cost = 1000;
    assert_true(limiter_take(limiter, &ask, 1).allowed);
    struct limit_answer refused = limiter_take(limiter, &ask, 1);
    assert_int_equal(refused.retry_after_ms, 1000);
    loop_advance(loop, 1000);
    assert_true(limiter_take(limiter, &ask, 1).allowed);
}

/* A hundred tenths, whose sum in binary fractions is more than ten. */
static void a_part_of_a_unit_is_counted_to_the_millionth(void **state) {
    static const struct {
        double cost;
        unsigned count, passes;
    } rows[] = {{0.1, 10, 100}, {0.5, 1, 2}, {0.3, 1, 3}, {0.999999, 1, 1}, {1e-6, 1, 1000000}, {1.5, 3, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct limit_ask ask = ask_of("parts", (char[]){(char)('a' + (int)i), 0}, rows[i].count, 86400000);
        ask.cost = rows[i].cost;
        unsigned passed = 0;
        while (passed <= rows[i].passes && limiter_take(limiter, &ask, 1).allowed) passed++;
        assert_int_equal(passed, rows[i].passes);
    }
}

static void what_a_part_costs_is_paid_back_in_its_time(void **state) {
    struct limit_ask ask = ask_of("parts", "alice", 2, 8000);
    ask.cost = 0.25;
    for (int i = 0; i < 8; i++) assert_true(limiter_take(limiter, &ask, 1).allowed);
    assert_int_equal(limiter_take(limiter, &ask, 1).retry_after_ms, 1000);
    loop_advance(loop, 999);
    assert_false(limiter_take(limiter, &ask, 1).allowed);
    loop_advance(loop, 1);
    assert_int_equal(limiter_peek(limiter, &ask, 1).remaining, 0);
    limiter_refund(limiter, &ask, 1);
    assert_true(limiter_take(limiter, &ask, 1).allowed);
    assert_true(limiter_take(limiter, &ask, 1).allowed);
    assert_false(limiter_take(limiter, &ask, 1).allowed);
}

static void a_period_of_a_year_is_a_year(void **state) {
    const uint64_t year_ms = 365ull * 86400000;
    assert_int_equal(take_all("alice", 2, year_ms), 2);
    assert_int_equal(take("messages", "alice", 2, year_ms).retry_after_ms, year_ms / 2);
}

static void a_count_of_zero_lets_nothing_pass(void **state) {
    struct limit_answer refused = take("messages", "alice", 0, 5000);
    assert_false(refused.allowed);
    assert_int_equal(refused.retry_after_ms, 5000);
}

static void the_largest_rates_do_not_overflow(void **state) {
    struct limit_ask ask = {SLICE("n"), SLICE("k"), {UINT32_MAX, UINT64_MAX}, .cost = UINT32_MAX};
    assert_true(limiter_take(limiter, &ask, 1).allowed);
    assert_false(limiter_take(limiter, &ask, 1).allowed);
    ask.rate = (struct rate){1, 1};
    assert_int_equal(limiter_take(limiter, &ask, 1).retry_after_ms, 1);
}

/* A key that had spent half has half left under the new rate, larger or smaller. */
static void a_new_rate_keeps_the_spent_share(void **state) {
    struct limit_ask ask = ask_of("messages", "alice", 10, 10000);
    ask.cost = 5;
    assert_true(limiter_take(limiter, &ask, 1).allowed);
    assert_int_equal(take_all("alice", 100, 10000), 50);
    assert_int_equal(take_all("alice", 4, 60000), 0);
    loop_advance(loop, 60000);
    assert_int_equal(take_all("alice", 4, 60000), 4);
}

static void full_allowance_is_forgotten(void **state) {
    for (int i = 0; i < 10000; i++) {
        char key[24];
        snprintf(key, sizeof key, "u%d", i);
        take("messages", key, 10, 1000);
    }
    assert_true(limiter_keys(limiter) > 1000);
    loop_advance(loop, 3000);
    assert_int_equal(limiter_keys(limiter), 0);
}

static void memory_is_bounded_and_the_fullest_go_first(void **state) {
    take_all("spammer", 100, 100000);
    for (int i = 0; i < 50000; i++) {
        char key[24];
        snprintf(key, sizeof key, "guest%d", i);
        assert_true(take("messages", key, 100, 100000).allowed);
    }
    assert_in_range(limiter_keys(limiter), 2, (1 << 20) / 128);
    assert_false(take("messages", "spammer", 100, 100000).allowed);
}

static void a_refund_gives_back_what_was_taken_and_no_more(void **state) {
    struct limit_ask ask = ask_of("messages", "alice", 3, 3000);
    for (int i = 0; i < 3; i++) assert_true(limiter_take(limiter, &ask, 1).allowed);
    assert_false(limiter_take(limiter, &ask, 1).allowed);
    limiter_refund(limiter, &ask, 1);
    assert_true(limiter_take(limiter, &ask, 1).allowed);
    assert_false(limiter_take(limiter, &ask, 1).allowed);
    for (int i = 0; i < 10; i++) limiter_refund(limiter, &ask, 1);
    assert_int_equal(take_all("alice", 3, 3000), 3);
    ask.key = SLICE("nobody");
    limiter_refund(limiter, &ask, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_refund_gives_back_what_was_taken_and_no_more, set_up, tear_down),
        TEST(a_burst_of_count_passes_and_no_more),
        TEST(names_and_keys_do_not_run_into_each_other),
        TEST(retry_after_is_exact),
        TEST(everybody_is_released_after_a_period),
        TEST(there_is_no_window_edge),
        TEST(a_refusal_charges_nothing),
        TEST(the_longest_refusal_is_named),
        TEST(a_key_asked_twice_pays_twice),
        TEST(peek_charges_nothing),
        TEST(a_cost_above_the_burst_takes_the_whole_of_it),
        TEST(a_part_of_a_unit_is_counted_to_the_millionth),
        TEST(what_a_part_costs_is_paid_back_in_its_time),
        TEST(a_period_of_a_year_is_a_year),
        TEST(a_count_of_zero_lets_nothing_pass),
        TEST(the_largest_rates_do_not_overflow),
        TEST(a_new_rate_keeps_the_spent_share),
        TEST(full_allowance_is_forgotten),
        TEST(memory_is_bounded_and_the_fullest_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
