/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "channel/expulsions.h"
#include "loop/loop.h"

static struct loop *loop;
static struct expulsions *expulsions;

static int set_up(void **state) {
    loop = loop_new_with_fake_clock();
    expulsions = expulsions_new(loop);
    return 0;
}

static int tear_down(void **state) {
    expulsions_free(&expulsions);
    loop_free(&loop);
    return 0;
}

static bool has(const char *user, const char *channel) {
    return expulsions_has(expulsions, slice_of(user), slice_of(channel));
}

static void who_was_shown_out_is_known_for_a_minute(void **state) {
    assert_false(has("mallory", "board"));
    assert_true(expulsions_note(expulsions, SLICE("mallory"), SLICE("board"), 1));
    assert_true(has("mallory", "board"));
    assert_false(has("mallory", "lobby"));
    assert_false(has("alice", "board"));
    loop_advance(loop, 59999);
    assert_true(has("mallory", "board"));
    loop_advance(loop, 1);
    assert_false(has("mallory", "board"));
}

static void of_more_than_it_remembers_nobody_is_let_through(void **state) {
    char user[16];
    for (unsigned i = 0; i < EXPULSIONS_MAX; i++) {
        assert_false(has("alice", "board"));
        snprintf(user, sizeof user, "mallory-%u", i);
        assert_true(expulsions_note(expulsions, slice_of(user), SLICE("board"), 1));
    }
    assert_true(has("mallory-0", "board"));
    assert_true(has("alice", "board"));
    loop_advance(loop, 60000);
    assert_false(has("alice", "board"));
}

static void a_repeated_expulsion_counts_once_and_is_remembered_anew(void **state) {
    assert_true(expulsions_note(expulsions, SLICE("mallory"), SLICE("board"), 7));
    for (int i = 0; i < 4; i++) {
        loop_advance(loop, 30000);
        assert_false(expulsions_note(expulsions, SLICE("mallory"), SLICE("board"), 7));
    }
    loop_advance(loop, 59999);
    assert_true(has("mallory", "board"));
    assert_true(expulsions_note(expulsions, SLICE("mallory"), SLICE("board"), 8));
    assert_true(expulsions_note(expulsions, SLICE("mallory"), SLICE("lobby"), 7));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(who_was_shown_out_is_known_for_a_minute),
        TEST(a_repeated_expulsion_counts_once_and_is_remembered_anew),
        TEST(of_more_than_it_remembers_nobody_is_let_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
