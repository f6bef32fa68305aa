/* SPDX-License-Identifier: Apache-2.0 */
#include "support/hub_scene.h"

static struct person alice, bob;

static int leave_all(void **state) {
    goes(&alice);
    goes(&bob);
    return tear_down(state);
}

static void a_client_that_ignores_its_limits_is_not_read_and_then_closed(void **state) {
    comes_as(&alice, "alice");
    for (int i = 0; i < 15; i++) says(&alice, "421[\"limited\"]");
    assert_false(local_client_paused(alice.client));
    says(&alice, "421[\"limited\"]");
    assert_true(local_client_paused(alice.client));
    loop_advance(loop, 1001);
    assert_false(local_client_paused(alice.client));
    says(&alice, "421[\"echo\"]"); /* calm again */
    for (int i = 0; i < 63; i++) says(&alice, "421[\"limited\"]");
    assert_false(is_closed(&alice, NULL));
    says(&alice, "421[\"limited\"]");
    uint16_t code;
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, 1008);
}

/* A slice takes 10 ms. */
static void events_that_waited_are_answered_in_slices_and_others_come_between(void **state) {
    comes_as(&alice, "alice");
    comes_as(&bob, "bob");
    says(&alice, "42[\"slow\",1]");
    for (int i = 0; i < 6; i++) says(&alice, "421[\"echo\"]");
    assert_null(hears(&alice));
    script.event_us = 6000;
    scene_answer(POLICY_OK, "[]");
    unsigned asked = script.asked[POLICY_EVENT];
    assert_int_equal(asked, 1 + 2);
    local_client_send(bob.client, SLICE("422[\"echo\"]"), false);
    loop_turn(loop);
    assert_hears(&bob, "432[]");
    assert_in_range(script.asked[POLICY_EVENT], asked + 1, asked + 3);
    turn();
    for (int i = 0; i < 6; i++) assert_hears(&alice, "431[]");
    assert_null(hears(&alice));
}

static void allow(unsigned count, uint64_t period_ms) {
    struct hub_settings settings = scene_settings();
    settings.events = count;
    settings.events_period_ms = period_ms;
    hub_set(hub, &settings);
}

static void a_flooding_client_is_not_read_until_it_has_paid(void **state) {
    allow(10, 10000);
    int64_t limited = metric_get(METRIC_LIMITED, "events");
    comes_as(&alice, "alice");
    comes_as(&bob, "bob");
    for (int i = 0; i < 10; i++) says(&alice, "42[\"echo\"]");
    assert_false(local_client_paused(alice.client));
    says(&alice, "42[\"echo\"]");
    assert_true(local_client_paused(alice.client));
    assert_int_equal(metric_get(METRIC_LIMITED, "events"), limited + 1);
    says(&bob, "421[\"echo\"]");
    assert_hears(&bob, "431[]");
    assert_false(local_client_paused(bob.client));
    loop_advance(loop, 999);
    assert_true(local_client_paused(alice.client));
    loop_advance(loop, 2);
    assert_false(local_client_paused(alice.client));
    assert_false(is_closed(&alice, NULL));
}

static void what_was_read_already_makes_nobody_wait_for_ever(void **state) {
    allow(10, 10000);
    comes_as(&alice, "alice");
    for (int i = 0; i < 1000; i++) says(&alice, "42[\"echo\"]");
    loop_advance(loop, 10001);
    assert_false(local_client_paused(alice.client));
}

static void what_is_refused_costs_more_and_what_fails_costs_most(void **state) {
    static const struct {
        const char *event;
        int passes; /* of 100 units */
    } rows[] = {{"42[\"echo\"]", 100}, {"42[\"nobody\"]", 9}, {"42[\"crash\"]", 3}, {"42[\"busy\"]", 100}};
    allow(100, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        comes_as(&alice, "alice");
        for (int j = 0; j < rows[i].passes; j++) says(&alice, rows[i].event);
        assert_false(local_client_paused(alice.client));
        says(&alice, rows[i].event);
        assert_true(local_client_paused(alice.client));
        goes(&alice);
    }
}

static void a_client_that_goes_on_asking_in_vain_is_closed(void **state) {
    allow(100, 1000);
    comes_as(&alice, "alice");
    for (int i = 0; i < 9 + 63; i++) says(&alice, "42[\"nobody\"]");
    assert_false(is_closed(&alice, NULL));
    says(&alice, "42[\"nobody\"]");
    uint16_t code;
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, 1008);
}

static void a_client_that_floods_with_pongs_is_not_read_and_then_closed(void **state) {
    int64_t rejected = metric_get(METRIC_REJECTED, "pong");
    comes_as(&alice, "alice");
    for (int i = 0; i < 15; i++) says(&alice, "3");
    assert_false(local_client_paused(alice.client));
    says(&alice, "3");
    assert_true(local_client_paused(alice.client));
    loop_advance(loop, 25000);
    assert_hears(&alice, "2");
    says(&alice, "3"); /* a pong to a ping: calm again */
    for (int i = 0; i < 63; i++) says(&alice, "3");
    assert_false(is_closed(&alice, NULL));
    says(&alice, "3");
    assert_true(is_closed(&alice, NULL));
    assert_int_equal(metric_get(METRIC_REJECTED, "pong"), rejected + 80);
}

static void repeated_failed_connects_are_paused_then_closed(void **state) {
    uint16_t code;
    arrives(&alice, &(struct local_client_options){0});
    for (int i = 0; i < 15; i++) says(&alice, "40{}");
    assert_false(local_client_paused(alice.client));
    says(&alice, "40{}");
    assert_true(local_client_paused(alice.client));
    for (int i = 16; i < 64; i++) says(&alice, "40{}");
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, 1008);
}

#define SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, leave_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(events_that_waited_are_answered_in_slices_and_others_come_between),
        SCENE(a_client_that_ignores_its_limits_is_not_read_and_then_closed),
        SCENE(a_flooding_client_is_not_read_until_it_has_paid),
        SCENE(what_was_read_already_makes_nobody_wait_for_ever),
        SCENE(what_is_refused_costs_more_and_what_fails_costs_most),
        SCENE(a_client_that_goes_on_asking_in_vain_is_closed),
        SCENE(a_client_that_floods_with_pongs_is_not_read_and_then_closed),
        SCENE(repeated_failed_connects_are_paused_then_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
