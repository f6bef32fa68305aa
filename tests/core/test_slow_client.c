/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/memory_budget.h"
#include "session/flush.h"
#include "session/session_internal.h"
#include "session/socket_rooms.h"
#include "support/hub_scene.h"

static struct person alice;

static int leave_all(void **state) {
    goes(&alice);
    return tear_down(state);
}

/* About 512 bytes with its framing. */
static void emit_large(const char *name, enum packet_class class) {
    char args[512];
    snprintf(args, sizeof args, "[\"%s\",\"%0450d\"]", name, 0);
    emit_to(alice.sid, args, class);
}

static unsigned count(struct person *person, const char *name) {
    unsigned n = 0;
    const char *got;
    while ((got = hears(person))) n += strstr(got, name) != NULL;
    return n;
}

static void the_events_of_a_turn_leave_in_one_write(void **state) {
    comes_as(&alice, "alice");
    unsigned before = local_client_writes(alice.client);
    for (int i = 0; i < 5; i++) emit_to(alice.sid, "[\"x\"]", PACKET_MESSAGE);
    turn();
    assert_int_equal(local_client_writes(alice.client), before + 1);
    for (int i = 0; i < 5; i++) assert_hears_event(&alice, "42[\"x\"]");
}

static void what_is_volatile_goes_before_messages_do(void **state) {
    comes_as(&alice, "alice");
    local_client_stall(alice.client, true);
    for (int i = 0; i < 5; i++) emit_large("typing", PACKET_VOLATILE);
    for (int i = 0; i < 7; i++) emit_large("message", PACKET_MESSAGE);
    emit_large("typing", PACKET_VOLATILE);
    turn();
    assert_true(hub_queued_bytes(hub) <= 4096);
    local_client_stall(alice.client, false);
    turn();
    assert_int_equal(count(&alice, "message"), 7);
    assert_true(metric_get(METRIC_DROPPED, "volatile") >= 5);
}

static void a_client_that_lags_costs_its_bound_and_loses_nothing(void **state) {
    char expected[64];
    comes_as(&alice, "alice");
    local_client_stall(alice.client, true);
    for (int i = 0; i < 90; i++) {
        char args[256];
        snprintf(args, sizeof args, "[\"message\",%d,\"%0100d\"]", i, 0);
        emit_to(alice.sid, args, PACKET_MESSAGE);
    }
    turn();
    assert_true(hub_queued_bytes(hub) <= 4096);
    local_client_stall(alice.client, false);
    turn();
    emit_to(alice.sid, "[\"message\",90]", PACKET_MESSAGE);
    turn();
    for (int i = 0; i <= 90; i++) {
        const char *got = hears(&alice);
        assert_non_null(got);
        snprintf(expected, sizeof expected, "[\"message\",%d,", i);
        if (!strstr(got, expected)) fail_msg("%d is missing: %s", i, got);
    }
    assert_null(hears(&alice));
    assert_false(is_closed(&alice, NULL));
}

static void join_room(struct socket *socket) {
    assert_true(socket_join(socket, SLICE("room")));
}

/* The connect hook still waits, and the socket is sent more than may be held back. */
static void events_before_the_connect_reply_follow_it_in_order(void **state) {
    script.on_connect = join_room;
    script.defers_connects = true;
    arrives(&alice, &(struct local_client_options){0});
    says(&alice, "40{\"user\":\"alice\"}");
    for (int i = 0; i < 30; i++) {
        char args[512];
        snprintf(args, sizeof args, "[\"message\",%d,\"%0450d\"]", i, 0);
        emit_to("room", args, PACKET_MESSAGE);
        turn();
    }
    loop_advance(loop, 25000); /* something else is written meanwhile */
    assert_hears(&alice, "2");
    scene_answer(POLICY_OK, "");
    turn();
    assert_memory_equal(hears(&alice), "40{", 3);
    for (int i = 0; i < 30; i++) {
        char expected[64];
        const char *got = hears(&alice);
        assert_non_null(got);
        snprintf(expected, sizeof expected, "[\"message\",%d,", i);
        if (!strstr(got, expected)) fail_msg("%d is missing: %s", i, got);
    }
    assert_null(hears(&alice));
    assert_false(is_closed(&alice, NULL));
}

static void a_client_beyond_the_log_is_closed_as_slow(void **state) {
    uint16_t code;
    struct slice reason;
    comes_as(&alice, "alice");
    local_client_stall(alice.client, true);
    for (int i = 0; i < 300; i++) emit_large("message", PACKET_MESSAGE);
    local_client_stall(alice.client, false);
    turn();
    assert_true(local_client_closed(alice.client, &code, &reason));
    assert_int_equal(code, 1013);
    assert_true(slice_is(reason, "slow_consumer"));
}

static void without_a_log_a_full_outbox_closes_at_once(void **state) {
    struct hub_settings settings = scene_settings();
    settings.recovery.window_ms = 0;
    hub_set(hub, &settings);
    comes_as(&alice, "alice");
    local_client_stall(alice.client, true);
    for (int i = 0; i < 20; i++) emit_large("message", PACKET_MESSAGE);
    turn();
    assert_true(is_closed(&alice, NULL));
}

/* A client that reads in time is charged nothing, however much it gets. */
static void the_slowest_client_is_closed_when_the_budget_is_exceeded(void **state) {
    static struct person bob, carol;
    struct hub_settings settings = scene_settings();
    uint16_t code;
    settings.outbound = memory_budget_new(5000);
    hub_set(hub, &settings);
    comes_as(&alice, "alice");
    comes_as(&bob, "bob");
    comes_as(&carol, "carol");
    local_client_stall(alice.client, true);
    local_client_stall(bob.client, true);
    emit_large("message", PACKET_MESSAGE);
    turn();
    for (int i = 0; i < 7; i++) {
        char args[512];
        snprintf(args, sizeof args, "[\"message\",\"%0450d\"]", i);
        emit_to(bob.sid, args, PACKET_MESSAGE);
        emit_to(carol.sid, args, PACKET_MESSAGE);
    }
    turn();
    assert_false(is_closed(&bob, NULL)); /* 8 of them wait, 4 kB */
    for (int i = 0; i < 3; i++) emit_large("message", PACKET_MESSAGE);
    turn();
    assert_true(is_closed(&bob, &code));
    assert_int_equal(code, 1013);
    assert_false(is_closed(&alice, NULL));
    assert_false(is_closed(&carol, NULL));
    assert_int_equal(count(&carol, "message"), 7);
    local_client_stall(alice.client, false);
    turn();
    assert_int_equal(count(&alice, "message"), 4);
    goes(&bob);
    goes(&carol);

    turn();
    struct memory_budget *budget = settings.outbound;
    settings.outbound = NULL;
    hub_set(hub, &settings);
    memory_budget_free(&budget);
}

static void no_progress_for_long_closes_as_slow(void **state) {
    uint16_t code;
    comes_as(&alice, "alice");
    local_client_stall(alice.client, true);
    emit_large("message", PACKET_MESSAGE);
    loop_advance(loop, 29999);
    assert_false(is_closed(&alice, NULL));
    loop_advance(loop, 10);
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, 1013);
}

static void acknowledgements_and_pings_are_never_shed(void **state) {
    comes_as(&alice, "alice");
    local_client_stall(alice.client, true);
    for (int i = 0; i < 40; i++) emit_large("message", PACKET_MESSAGE);
    says(&alice, "421[\"echo\",\"still here\"]");
    loop_advance(loop, 25000);
    local_client_stall(alice.client, false);
    turn();
    unsigned acks = 0, pings = 0, messages = 0;
    const char *got;
    while ((got = hears(&alice))) {
        acks += strstr(got, "431[\"still here\"]") != NULL;
        pings += strcmp(got, "2") == 0;
        messages += strstr(got, "message") != NULL;
    }
    assert_int_equal(acks, 1);
    assert_int_equal(pings, 1);
    assert_int_equal(messages, 40);
}

/* Number of clients with more writes now than in before. */
static int written_since(struct local_client **clients, int len, const unsigned *before) {
    int n = 0;
    for (int i = 0; i < len; i++) n += local_client_writes(clients[i]) != before[i];
    return n;
}

/* A fan-out larger than a slice of the flush lets other work run between slices, and reaches all clients in order. */
static void a_large_room_is_written_in_slices_and_in_order(void **state) {
    enum { CROWD = 2500 };
    struct local_client **clients = calloc(CROWD, sizeof *clients);
    unsigned before[CROWD];
    struct buffer got = {0};
    for (int i = 0; i < CROWD; i++) {
        clients[i] = local_client_new(hub, &(struct local_client_options){0});
        local_client_send(clients[i], SLICE("40{\"user\":\"alice\"}"), false);
    }
    turn();
    for (int i = 0; i < CROWD; i++) {
        while (local_client_take(clients[i], &got, NULL)) continue;
        before[i] = local_client_writes(clients[i]);
    }
    struct room_emit first = {.namespace_name = SLICE("/"), .class = PACKET_MESSAGE, .args = SLICE("[\"first\"]")};
    struct room_emit second = {.namespace_name = SLICE("/"), .class = PACKET_MESSAGE, .args = SLICE("[\"second\"]")};
    assert_int_equal(room_emit(rooms, &first), CROWD);
    loop_turn(loop);
    assert_int_equal(written_since(clients, CROWD, before), FLUSH_SLICE);
    room_emit(rooms, &second);
    turn();
    for (int i = 0; i < CROWD; i++) {
        buffer_clear(&got);
        assert_true(local_client_take(clients[i], &got, NULL));
        assert_non_null(memmem(got.ptr, got.len, "first", 5));
        buffer_clear(&got);
        assert_true(local_client_take(clients[i], &got, NULL));
        assert_non_null(memmem(got.ptr, got.len, "second", 6));
        local_client_free(&clients[i]);
    }
    buffer_done(&got);
    free(clients);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, leave_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(the_events_of_a_turn_leave_in_one_write),
        SCENE(what_is_volatile_goes_before_messages_do),
        SCENE(a_client_that_lags_costs_its_bound_and_loses_nothing),
        SCENE(events_before_the_connect_reply_follow_it_in_order),
        SCENE(a_client_beyond_the_log_is_closed_as_slow),
        SCENE(without_a_log_a_full_outbox_closes_at_once),
        SCENE(the_slowest_client_is_closed_when_the_budget_is_exceeded),
        SCENE(no_progress_for_long_closes_as_slow),
        SCENE(acknowledgements_and_pings_are_never_shed),
        SCENE(a_large_room_is_written_in_slices_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
