/* SPDX-License-Identifier: Apache-2.0 */
/* A client of a raw endpoint: what waits for it is bounded, and what was sent before a close arrives before it. */
#include "session/script_connection.h"
#include "support/hub_scene.h"

static struct person alice;

static void alice_arrives(void) {
    hub_set_endpoints(hub, &(struct hub_endpoint){.path = "/feed", .raw = true}, 1);
    alice.client = local_client_new(hub, &(struct local_client_options){.endpoint_path = "/feed"});
    turn();
}

static bool send_to_alice(struct slice text) {
    return script_connection_send(hub, local_client_session_id(alice.client), text, false);
}

static void messages_are_what_was_said(void **state) {
    alice_arrives();
    says(&alice, "4hello");
    assert_hears(&alice, "4hello");
    says(&alice, "");
    assert_hears(&alice, "");
    goes(&alice);
}

static void a_close_follows_what_was_sent_before(void **state) {
    uint16_t code;
    alice_arrives();
    local_client_stall(alice.client, true);
    assert_true(send_to_alice(SLICE("first")));
    turn();
    assert_true(send_to_alice(SLICE("second")));
    assert_true(script_connection_close(hub, local_client_session_id(alice.client), 4001, SLICE("done")));
    assert_false(send_to_alice(SLICE("late")));
    turn();
    assert_false(is_closed(&alice, &code));
    local_client_stall(alice.client, false);
    assert_hears(&alice, "first");
    assert_hears(&alice, "second");
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, 4001);
    goes(&alice);
}

static void a_close_does_not_wait_for_ever(void **state) {
    uint16_t code;
    alice_arrives();
    local_client_stall(alice.client, true);
    assert_true(send_to_alice(SLICE("never read")));
    turn();
    assert_true(script_connection_close(hub, local_client_session_id(alice.client), 4001, SLICE("done")));
    loop_advance(loop, scene_settings().slow_close_ms);
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, 4001);
    goes(&alice);
}

static void who_does_not_read_is_closed_when_too_much_waits(void **state) {
    static char big[3000];
    uint16_t code;
    memset(big, 'x', sizeof big);
    alice_arrives();
    local_client_stall(alice.client, true);
    assert_true(send_to_alice((struct slice){big, sizeof big}));
    turn();
    assert_false(is_closed(&alice, &code));
    assert_true(send_to_alice((struct slice){big, sizeof big}));
    turn();
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, 1013);
    goes(&alice);
}

static void one_message_may_be_larger_than_what_may_wait(void **state) {
    static char big[20000];
    uint16_t code;
    memset(big, 'x', sizeof big - 1);
    alice_arrives();
    assert_true(send_to_alice((struct slice){big, sizeof big - 1}));
    turn();
    assert_hears(&alice, big);
    assert_false(is_closed(&alice, &code));
    goes(&alice);
}

static void a_room_lets_go_of_who_has_left(void **state) {
    size_t cursor = 0;
    alice_arrives();
    assert_true(script_connection_join(hub, local_client_session_id(alice.client), SLICE("lobby")));
    assert_true(script_connection_join(hub, local_client_session_id(alice.client), SLICE("lobby")));
    emit_to("lobby", "[\"message\",\"hello\"]", PACKET_MESSAGE);
    turn();
    assert_hears(&alice, "hello");
    for (char name[2] = "a"; name[0] < 'h'; name[0]++)
        assert_true(script_connection_join(hub, local_client_session_id(alice.client), slice_of(name)));
    assert_false(script_connection_join(hub, local_client_session_id(alice.client), SLICE("one too many")));
    goes(&alice);
    loop_advance(loop, scene_settings().recovery.window_ms + 1000);
    assert_null(rooms_next(rooms, SLICE("/"), &cursor));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(messages_are_what_was_said),
        TEST(a_close_follows_what_was_sent_before),
        TEST(a_close_does_not_wait_for_ever),
        TEST(who_does_not_read_is_closed_when_too_much_waits),
        TEST(one_message_may_be_larger_than_what_may_wait),
        TEST(a_room_lets_go_of_who_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
