/* SPDX-License-Identifier: Apache-2.0 */
/* The delivery window: what it decides, and what a client sees of it. */
#include "base/coalesce.h"
#include "session/flush.h"
#include "support/hub_scene.h"

static const struct coalesce_settings automatic = {.fixed_ms = COALESCE_AUTO, .max_ms = 15};

/* Into so many clients, every gap_ms, for a second; each write takes write_us. */
static void load(struct coalesce *window, uint64_t *now_ms, unsigned clients, unsigned gap_ms, unsigned write_us) {
    uint32_t last_ms[1000] = {0};
    for (unsigned passed = 0; passed < 1000; passed += gap_ms) {
        *now_ms += gap_ms;
        for (unsigned i = 0; i < clients; i++) coalesce_arrival(window, *now_ms, &last_ms[i]);
        coalesce_flushed(window, clients, (uint64_t)clients * write_us);
        if (*now_ms - window->since_ms >= COALESCE_REVIEW_MS) coalesce_review(window, *now_ms);
    }
}

static void busy_opens_it_and_idle_closes_it(void **state) {
    struct coalesce window;
    uint64_t now_ms = 5000;
    coalesce_init(&window, &flush_rule, &automatic, now_ms);
    load(&window, &now_ms, 1000, 100, 8);
    assert_int_equal(window.ms, 0);
    load(&window, &now_ms, 1000, 10, 8);
    assert_in_range(window.ms, 11, 15);
    coalesce_review(&window, now_ms += COALESCE_REVIEW_MS);
    assert_int_equal(window.ms, 0);
}

static void the_window_grows_with_the_load_up_to_its_maximum(void **state) {
    struct coalesce window;
    uint64_t now_ms = 5000;
    coalesce_init(&window, &flush_rule, &automatic, now_ms);
    load(&window, &now_ms, 300, 5, 8); /* 0.48 of the loop */
    unsigned moderate = window.ms;
    assert_in_range(moderate, 5, 10);
    load(&window, &now_ms, 1000, 1, 8);
    assert_int_equal(window.ms, 15);
}

static void between_opening_and_closing_it_stays_as_it_is(void **state) {
    struct coalesce shut, open;
    uint64_t now_ms = 5000, then_ms;
    coalesce_init(&shut, &flush_rule, &automatic, now_ms);
    load(&shut, &now_ms, 360, 10, 8); /* 0.29 of the loop */
    assert_int_equal(shut.ms, 0);
    coalesce_init(&open, &flush_rule, &automatic, then_ms = now_ms);
    load(&open, &then_ms, 1000, 10, 8);
    load(&open, &then_ms, 360, 10, 8);
    assert_true(open.ms > 0);
}

static void what_it_saves_does_not_close_it(void **state) {
    struct coalesce window;
    uint64_t now_ms = 5000;
    uint32_t last_ms[1000] = {0};
    coalesce_init(&window, &flush_rule, &automatic, now_ms);
    load(&window, &now_ms, 1000, 10, 8);
    for (unsigned i = 0; i < 100; i++) { /* half as many writes as arrivals are made */
        now_ms += 10;
        for (unsigned j = 0; j < 1000; j++) coalesce_arrival(&window, now_ms, &last_ms[j]);
        if (i % 2) coalesce_flushed(&window, 1000, 8000);
        if (i % 10 == 9) coalesce_review(&window, now_ms);
    }
    assert_in_range(window.ms, 11, 15);
}

static void clients_that_seldom_hear_anything_open_nothing(void **state) {
    struct coalesce window;
    uint64_t now_ms = 5000;
    coalesce_init(&window, &flush_rule, &automatic, now_ms);
    for (unsigned i = 0; i < 1000; i++) {
        now_ms++;
        for (unsigned j = 0; j < 200; j++) {
            uint32_t last_ms = (uint32_t)(now_ms - 500);
            assert_int_equal(coalesce_arrival(&window, now_ms, &last_ms), 0);
        }
        coalesce_flushed(&window, 200, 1600);
        if (i % COALESCE_REVIEW_MS == 0) coalesce_review(&window, now_ms);
    }
    assert_int_equal(window.ms, 0);
}

static void a_window_ends_when_as_many_have_come_as_usually_do(void **state) {
    struct coalesce window;
    uint64_t now_ms = 5000;
    unsigned measurements = 0;
    coalesce_init(&window, &flush_rule, &automatic, now_ms);
    load(&window, &now_ms, 1000, 10, 8);
    assert_false(coalesce_is_full(&window, 1000)); /* nothing is measured yet */
    for (unsigned i = 0; i < 2 * COALESCE_MEASURES; i++) {
        uint32_t last_ms[1000];
        for (unsigned j = 0; j < 1000; j++) last_ms[j] = (uint32_t)(now_ms - 5);
        for (unsigned j = 0; j < 10; j++) coalesce_passed(&window, 7);
        for (unsigned j = 0; j < 10000; j++) coalesce_arrival(&window, now_ms + j / 1000, &last_ms[j % 1000]);
        coalesce_review(&window, now_ms += COALESCE_REVIEW_MS);
        measurements += window.usual == 0;
        if (window.usual == 0) continue;
        assert_false(coalesce_is_full(&window, 6));
        assert_true(coalesce_is_full(&window, 7));
    }
    assert_int_equal(measurements, 2);
    coalesce_review(&window, now_ms += COALESCE_REVIEW_MS);
    assert_int_equal(window.ms, 0);
    assert_false(coalesce_is_full(&window, 1000));
}

static void busy_receivers_decide_the_window_not_quiet_ones(void **state) {
    struct coalesce window;
    uint64_t now_ms = 5000;
    coalesce_init(&window, &flush_rule, &automatic, now_ms);
    load(&window, &now_ms, 1000, 10, 8);
    uint32_t last_ms = (uint32_t)(now_ms - 5);
    for (unsigned i = 0; i < 10000; i++) {
        uint32_t last = last_ms;
        coalesce_arrival(&window, now_ms, &last);
    }
    for (unsigned i = 0; i < 10; i++) {
        coalesce_passed(&window, 16);
        coalesce_passed(&window, 2);
    }
    coalesce_review(&window, now_ms + COALESCE_REVIEW_MS);
    assert_in_range(window.measured, 14, 16);
}

/* Scenes: a window that is always 10 ms wide. */
static struct person alice, bob;

static int set_up_held(void **state) {
    struct hub_settings settings = scene_settings();
    settings.window = (struct coalesce_settings){.fixed_ms = 10};
    scene_begin(loop_new_with_fake_clock(), &settings);
    comes_as(&alice, "alice");
    loop_advance(loop, 1000);
    return 0;
}

static int leave_all(void **state) {
    goes(&alice);
    return tear_down(state);
}

static void broadcast(const char *args) {
    emit_to("", args, PACKET_MESSAGE);
    turn();
}

static void a_broadcast_waits_for_others_and_they_leave_in_one_write(void **state) {
    unsigned before = local_client_writes(alice.client);
    broadcast("[\"a\"]");
    loop_advance(loop, 9);
    broadcast("[\"b\"]");
    assert_null(hears(&alice));
    loop_advance(loop, 1);
    assert_hears_event(&alice, "42[\"a\"]");
    assert_hears_event(&alice, "42[\"b\"]");
    assert_int_equal(local_client_writes(alice.client), before + 1);
    broadcast("[\"c\"]");
    assert_null(hears(&alice));
    loop_advance(loop, 10);
    assert_hears_event(&alice, "42[\"c\"]");
}

static void an_acknowledgement_never_waits_and_comes_after_what_was_before_it(void **state) {
    broadcast("[\"a\"]");
    says(&alice, "421[\"echo\",7]");
    turn();
    assert_hears_event(&alice, "42[\"a\"]");
    assert_hears(&alice, "431[7]");
    broadcast("[\"b\"]");
    assert_null(hears(&alice));
    loop_advance(loop, 10);
    assert_hears_event(&alice, "42[\"b\"]");
}

static void a_ping_takes_along_what_is_held(void **state) {
    loop_advance(loop, 25000 - 1000 - 1);
    broadcast("[\"a\"]");
    assert_null(hears(&alice));
    loop_advance(loop, 1);
    assert_hears_event(&alice, "42[\"a\"]");
    assert_hears(&alice, "2");
}

static void what_is_held_is_written_before_the_server_closes(void **state) {
    uint16_t code;
    broadcast("[\"a\"]");
    hub_close_all(hub, CLOSE_SHUTTING_DOWN);
    turn();
    assert_hears_event(&alice, "42[\"a\"]");
    assert_true(is_closed(&alice, &code));
}

static void who_is_told_to_leave_the_namespace_hears_what_was_before(void **state) {
    broadcast("[\"a\"]");
    socket_disconnect(socket_of(&alice));
    turn();
    assert_hears_event(&alice, "42[\"a\"]");
    assert_hears(&alice, "41");
}

static void a_client_that_goes_while_it_is_held_harms_nobody(void **state) {
    comes_as(&bob, "bob");
    loop_advance(loop, 100);
    broadcast("[\"a\"]");
    goes(&bob);
    loop_advance(loop, 10);
    assert_hears_event(&alice, "42[\"a\"]");
}

static void a_reload_that_closes_the_window_lets_go_of_what_is_held(void **state) {
    struct hub_settings settings = scene_settings();
    broadcast("[\"a\"]");
    hub_set(hub, &settings);
    broadcast("[\"b\"]");
    loop_advance(loop, 10);
    assert_hears_event(&alice, "42[\"a\"]");
    assert_hears_event(&alice, "42[\"b\"]");
    broadcast("[\"c\"]");
    assert_hears_event(&alice, "42[\"c\"]");
}

static void more_than_a_write_holds_does_not_wait(void **state) {
    struct hub_settings settings = scene_settings();
    char args[20000];
    settings.outbox_bytes = 1 << 20;
    settings.window.fixed_ms = 10;
    hub_set(hub, &settings);
    snprintf(args, sizeof args, "[\"a\",\"%019000d\"]", 0);
    for (int i = 0; i < 3; i++) broadcast(args);
    assert_null(hears(&alice));
    broadcast(args);
    assert_non_null(hears(&alice));
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up_held, leave_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(busy_opens_it_and_idle_closes_it),
        cmocka_unit_test(the_window_grows_with_the_load_up_to_its_maximum),
        cmocka_unit_test(between_opening_and_closing_it_stays_as_it_is),
        cmocka_unit_test(what_it_saves_does_not_close_it),
        cmocka_unit_test(clients_that_seldom_hear_anything_open_nothing),
        cmocka_unit_test(a_window_ends_when_as_many_have_come_as_usually_do),
        cmocka_unit_test(busy_receivers_decide_the_window_not_quiet_ones),
        SCENE(a_broadcast_waits_for_others_and_they_leave_in_one_write),
        SCENE(an_acknowledgement_never_waits_and_comes_after_what_was_before_it),
        SCENE(a_ping_takes_along_what_is_held),
        SCENE(what_is_held_is_written_before_the_server_closes),
        SCENE(who_is_told_to_leave_the_namespace_hears_what_was_before),
        SCENE(a_client_that_goes_while_it_is_held_harms_nobody),
        SCENE(a_reload_that_closes_the_window_lets_go_of_what_is_held),
        SCENE(more_than_a_write_holds_does_not_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
