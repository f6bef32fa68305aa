/* SPDX-License-Identifier: Apache-2.0 */
#include "session/socket_rooms.h"
#include "support/hub_scene.h"

static struct person alice, again, third;

static int leave_all(void **state) {
    goes(&alice);
    goes(&again);
    goes(&third);
    return tear_down(state);
}

/* The new person gets the old one's pid and offset. */
static void inherit(struct person *heir, const struct person *old) {
    snprintf(heir->pid, sizeof heir->pid, "%s", old->pid);
    snprintf(heir->offset, sizeof heir->offset, "%s", old->offset);
}

static void assert_recovered(struct person *person, const struct person *old) {
    char text[128];
    snprintf(text, sizeof text, "40{\"sid\":\"%s\",\"pid\":\"%s\"}", old->sid, old->pid);
    assert_hears(person, text);
    snprintf(person->sid, sizeof person->sid, "%s", old->sid);
}

static void assert_fresh(struct person *person, const struct person *old) {
    const char *got = hears(person);
    assert_non_null(got);
    assert_int_equal(strncmp(got, "40{\"sid\":\"", 10), 0);
    assert_null(strstr(got, old->sid));
    assert_null(strstr(got, old->pid));
    take_id(got, "sid", person->sid);
    take_id(got, "pid", person->pid);
}

static void a_recovered_socket_gets_missed_events_before_its_connect(void **state) {
    comes_as(&alice, "alice");
    assert_true(socket_join(socket_of(&alice), SLICE("room")));
    emit_to("room", "[\"one\"]", PACKET_MESSAGE);
    turn();
    assert_hears_event(&alice, "42[\"one\"]");
    local_client_leave(alice.client);
    emit_to("room", "[\"two\"]", PACKET_MESSAGE);
    emit_to(alice.sid, "[\"three\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", true);
    assert_hears_event(&again, "42[\"two\"]");
    assert_hears_event(&again, "42[\"three\"]");
    assert_recovered(&again, &alice);
    assert_true(socket_recovered(socket_of(&again)));
    emit_to("room", "[\"live\"]", PACKET_MESSAGE);
    turn();
    assert_hears_event(&again, "42[\"live\"]");
    assert_int_equal(metric_get(METRIC_RECOVERED, "ok") > 0, true);
}

static void a_session_without_any_event_is_recovered_from_its_start(void **state) {
    emit_to("room", "[\"before\"]", PACKET_MESSAGE);
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    emit_to(alice.sid, "[\"missed\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_hears_event(&again, "42[\"missed\"]");
    assert_recovered(&again, &alice);
}

static void a_socket_can_be_recovered_while_its_old_connection_is_open(void **state) {
    uint16_t code;
    comes_as(&alice, "alice");
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_recovered(&again, &alice);
    assert_true(is_closed(&alice, &code));
    assert_null(hears(&alice)); /* it ends silently, without DISCONNECT */
    assert_string_equal(script.parted, "");
    assert_int_equal(hub_user_sessions(hub, SLICE("alice")), 1);
}

static void an_old_sockets_timeout_does_not_touch_the_recovered_session(void **state) {
    comes_as(&alice, "alice");
    local_client_stall(alice.client, true);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_recovered(&again, &alice);
    for (int i = 0; i < 3; i++) {
        loop_advance(loop, 25000);
        assert_hears(&again, "2");
        says(&again, "3");
    }
    assert_string_equal(script.parted, "");
    assert_false(is_closed(&again, NULL));
    emit_to(alice.sid, "[\"live\"]", PACKET_MESSAGE);
    turn();
    assert_hears_event(&again, "42[\"live\"]");
}

static void a_socket_is_recovered_twice_in_a_row(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    emit_to(alice.sid, "[\"one\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_hears_event(&again, "42[\"one\"]");
    assert_recovered(&again, &alice);
    local_client_leave(again.client);
    emit_to(alice.sid, "[\"two\"]", PACKET_MESSAGE);
    inherit(&third, &alice);
    snprintf(third.offset, sizeof third.offset, "%s", again.offset);
    comes_back_as(&third, "alice", true);
    assert_hears_event(&third, "42[\"two\"]");
    assert_recovered(&third, &alice);
}

/* The client's offset has left every log, but its pongs confirmed that it missed nothing. */
static void a_client_that_was_quiet_for_long_is_recovered(void **state) {
    comes_as(&alice, "alice");
    assert_true(socket_join(socket_of(&alice), SLICE("room")));
    emit_to("room", "[\"one\"]", PACKET_MESSAGE);
    turn();
    assert_hears_event(&alice, "42[\"one\"]");
    struct slice room = SLICE("room");
    struct slice self = slice_of(alice.sid);
    struct room_emit except_self = {.namespace_name = SLICE("/"),
                                    .to = &room,
                                    .to_len = 1,
                                    .except = &self,
                                    .except_len = 1,
                                    .class = PACKET_MESSAGE,
                                    .args = SLICE("[\"own\"]")};
    room_emit(rooms, &except_self);
    for (int i = 0; i < 20; i++) {
        loop_advance(loop, 25000);
        assert_hears(&alice, "2");
        says(&alice, "3");
    }
    local_client_leave(alice.client);
    emit_to("room", "[\"two\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", true);
    assert_hears_event(&again, "42[\"two\"]");
    assert_recovered(&again, &alice);
}

static void a_volatile_event_carries_an_offset_that_recovers(void **state) {
    comes_as(&alice, "alice");
    assert_true(socket_emit(socket_of(&alice), SLICE("[\"typing\",\"bob\"]"), NULL, 0, PACKET_VOLATILE));
    turn();
    assert_hears_event(&alice, "42[\"typing\",\"bob\"]");
    local_client_leave(alice.client);
    emit_to(alice.sid, "[\"lost\"]", PACKET_VOLATILE);
    emit_to(alice.sid, "[\"kept\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", true);
    assert_hears_event(&again, "42[\"kept\"]");
    assert_recovered(&again, &alice);
}

static void more_than_the_limit_is_not_replayed_in_part(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    for (int i = 0; i < 101; i++) emit_to(alice.sid, "[\"many\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_fresh(&again, &alice);
    assert_null(hears(&again));
}

static void a_replay_larger_than_the_outbox_is_written_whole(void **state) {
    char args[1024];
    memset(args, 'x', sizeof args);
    memcpy(args, "[\"big\",\"", 8);
    memcpy(args + sizeof args - 3, "\"]", 3);
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    for (int i = 0; i < 50; i++) emit_to(alice.sid, args, PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    for (int i = 0; i < 50; i++) assert_non_null(strstr(hears(&again), "big"));
    assert_recovered(&again, &alice);
}

static void a_pid_of_another_user_recovers_nothing(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    inherit(&again, &alice);
    comes_back_as(&again, "mallory", false);
    assert_fresh(&again, &alice);
    inherit(&third, &alice); /* and harms nothing */
    comes_back_as(&third, "alice", false);
    assert_recovered(&third, &alice);
}

static void an_offset_that_is_none_of_ours_recovers_nothing(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    inherit(&again, &alice);
    snprintf(again.offset, sizeof again.offset, "nonsense");
    comes_back_as(&again, "alice", true);
    assert_fresh(&again, &alice);
}

static void a_guest_is_recognised_by_their_pid(void **state) {
    script.authenticates = false;
    comes_as(&alice, "x");
    char id[32];
    snprintf(id, sizeof id, "%.*s", SLICE_ARG(socket_user_id(socket_of(&alice))));
    local_client_leave(alice.client);
    inherit(&again, &alice);
    comes_back_as(&again, "x", false);
    assert_recovered(&again, &alice);
    assert_true(slice_is(socket_user_id(socket_of(&again)), id));
}

static void leave_secret(struct socket *socket) {
    if (socket_recovered(socket)) socket_leave(socket, SLICE("secret"));
}

static void a_room_that_is_no_longer_permitted_is_not_replayed(void **state) {
    script.on_connect = leave_secret;
    comes_as(&alice, "alice");
    assert_true(socket_join(socket_of(&alice), SLICE("secret")));
    assert_true(socket_join(socket_of(&alice), SLICE("open")));
    local_client_leave(alice.client);
    emit_to("secret", "[\"hidden\"]", PACKET_MESSAGE);
    emit_to("open", "[\"shown\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_hears_event(&again, "42[\"shown\"]");
    assert_recovered(&again, &alice);
}

static void who_was_banned_meanwhile_does_not_come_back(void **state) {
    script.refuses_recovered = true;
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    emit_to(alice.sid, "[\"missed\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_hears(&again, "44{\"message\":\"banned\"}");
    assert_null(socket_of(&alice));
}

static void the_record_is_there_from_connect_on_and_until_the_window_ends(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    turn();
    assert_string_equal(script.parted, "transport close;"); /* scripts are told at once */
    loop_advance(loop, 119000);
    assert_non_null(socket_of(&alice));
    loop_advance(loop, 2000);
    assert_null(socket_of(&alice));
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_fresh(&again, &alice);
}

static void a_disconnect_by_either_side_leaves_nothing_to_recover(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "41");
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_fresh(&again, &alice);
    socket_disconnect(socket_of(&again));
    turn();
    assert_hears(&again, "41");
    inherit(&third, &again);
    comes_back_as(&third, "alice", false);
    assert_fresh(&third, &again);
}

static void what_was_trimmed_while_the_scripts_were_asked_makes_a_fresh_socket(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    emit_to(alice.sid, "[\"one\"]", PACKET_MESSAGE);
    script.defers_connects = true;
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    for (int i = 0; i < 200; i++) emit_to(alice.sid, "[\"many\"]", PACKET_MESSAGE);
    script.defers_connects = false;
    scene_answer(POLICY_OK, "");
    turn();
    assert_fresh(&again, &alice);
    assert_null(hears(&again));
}

static void a_connection_lost_while_it_is_recovered_can_be_recovered_again(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    emit_to(alice.sid, "[\"one\"]", PACKET_MESSAGE);
    script.defers_connects = true;
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_non_null(script.waiting);
    script.defers_connects = false;
    inherit(&third, &alice);
    comes_back_as(&third, "alice", false); /* the second connection is still open */
    assert_null(script.waiting);
    assert_hears_event(&third, "42[\"one\"]");
    assert_recovered(&third, &alice);
    assert_true(is_closed(&again, NULL));
}

/* Changes of the socket while it is detached. */

static void a_room_that_is_left_while_away_stays_left(void **state) {
    comes_as(&alice, "alice");
    assert_true(socket_join(socket_of(&alice), SLICE("secret")));
    assert_true(socket_join(socket_of(&alice), SLICE("open")));
    local_client_leave(alice.client);
    socket_leave(socket_of(&alice), SLICE("secret"));
    assert_false(socket_is_in(socket_of(&alice), SLICE("secret")));
    emit_to("secret", "[\"hidden\"]", PACKET_MESSAGE);
    emit_to("open", "[\"shown\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_hears_event(&again, "42[\"shown\"]");
    assert_recovered(&again, &alice);
    assert_false(socket_is_in(socket_of(&again), SLICE("secret")));
    assert_true(socket_is_in(socket_of(&again), SLICE("open")));
    emit_to("secret", "[\"hidden\"]", PACKET_MESSAGE);
    turn();
    assert_null(hears(&again));
}

static void a_room_that_is_joined_while_away_is_heard_from_then_on(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    emit_to("new", "[\"before\"]", PACKET_MESSAGE);
    assert_true(socket_join(socket_of(&alice), SLICE("new")));
    assert_true(socket_join(socket_of(&alice), SLICE("new")));
    emit_to("new", "[\"after\"]", PACKET_MESSAGE);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_hears_event(&again, "42[\"after\"]");
    assert_recovered(&again, &alice);
    for (int i = 1; i < 8; i++) {
        char room[8];
        snprintf(room, sizeof room, "r%d", i);
        assert_true(socket_join(socket_of(&again), slice_of(room)));
    }
    assert_false(socket_join(socket_of(&again), SLICE("one too many")));
}

static void a_sockets_values_come_back_with_it(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    assert_true(socket_set_state(socket_of(&alice), SLICE("{\"muted\":true}")));
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_recovered(&again, &alice);
    assert_string_equal(socket_state(socket_of(&again)).ptr, "{\"muted\":true}");
}

static void end_it(void *owner, struct socket *socket) {
    socket_disconnect(socket);
}

static void who_is_disconnected_while_away_does_not_come_back(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    hub_each_of_user(hub, SLICE("alice"), end_it, NULL);
    turn();
    assert_null(socket_of(&alice));
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_fresh(&again, &alice);
}

static void leave_open(void *owner, struct socket *socket) {
    socket_leave(socket, SLICE("open"));
}

/* Another server commands: "all members of this room leave that one". */
static void room_operations_reach_sockets_that_are_away(void **state) {
    struct slice open = SLICE("open"), vip = SLICE("vip");
    struct room_emit emit = {.namespace_name = SLICE("/"), .to = &open, .to_len = 1, .except = &vip, .except_len = 1};
    comes_as(&alice, "alice");
    assert_true(socket_join(socket_of(&alice), open));
    assert_true(socket_join(socket_of(&alice), vip));
    local_client_leave(alice.client);
    hub_each_meant(hub, &emit, leave_open, NULL);
    assert_true(socket_is_in(socket_of(&alice), open));
    emit.except_len = 0;
    hub_each_reached(hub, &emit, leave_open, NULL);
    assert_true(socket_is_in(socket_of(&alice), open));
    hub_each_meant(hub, &emit, leave_open, NULL);
    assert_false(socket_is_in(socket_of(&alice), open));
    emit.to_len = 0;
    hub_each_meant(hub, &emit, end_it, NULL);
    turn();
    assert_null(socket_of(&alice));
}

static void end_all_of_user(struct socket *socket) {
    char id[32];
    snprintf(id, sizeof id, "%.*s", SLICE_ARG(socket_user_id(socket)));
    hub_each_of_user(hub, slice_of(id), end_it, NULL);
}

/* "One device a user": the hook is told of the first socket's end while the second is connecting. */
static void a_hook_may_end_the_socket_that_takes_the_place_of_another(void **state) {
    script.on_disconnect = end_all_of_user;
    comes_as(&alice, "alice");
    inherit(&again, &alice);
    snprintf(again.offset, sizeof again.offset, "nonsense");
    comes_back_as(&again, "alice", true);
    assert_hears(&again, "41");
    assert_true(is_closed(&alice, NULL));
    assert_int_equal(hub_user_sessions(hub, SLICE("alice")), 0);
    assert_string_equal(script.parted, "transport close;");
    script.on_disconnect = NULL;
}

static void a_hook_may_end_the_socket_that_begins_anew(void **state) {
    script.on_disconnect = end_all_of_user;
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    emit_to(alice.sid, "[\"one\"]", PACKET_MESSAGE);
    script.defers_connects = true;
    script.on_disconnect = NULL;
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    for (int i = 0; i < 200; i++) emit_to(alice.sid, "[\"many\"]", PACKET_MESSAGE);
    script.on_disconnect = end_all_of_user;
    scene_answer(POLICY_OK, "");
    turn();
    assert_hears(&again, "41");
    assert_null(script.waiting);
    script.on_disconnect = NULL;
}

static char parted_before[sizeof script.parted];

static void note_parted(struct socket *socket) {
    snprintf(parted_before, sizeof parted_before, "%s", script.parted);
}

static void scripts_hear_of_an_end_before_the_return(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "40/admin,{\"user\":\"alice\"}");
    script.on_connect = note_parted;
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false); /* the old connection is still open: its other socket ends */
    assert_recovered(&again, &alice);
    assert_string_equal(parted_before, "session replaced;");
    local_client_leave(again.client);
    inherit(&third, &alice);
    comes_back_as(&third, "alice", false);
    assert_recovered(&third, &alice);
    assert_string_equal(parted_before, "session replaced;transport close;");
}

static void a_hook_that_waits_keeps_its_socket_and_nothing_else(void **state) {
    script.defers_disconnects = true;
    comes_as(&alice, "alice");
    says(&alice, "41");
    assert_non_null(script.waiting);
    assert_non_null(socket_of(&alice));
    assert_false(socket_is_connected(socket_of(&alice)));
    assert_false(socket_join(socket_of(&alice), SLICE("room")));
    script.defers_disconnects = false;
    scene_answer(POLICY_OK, "");
    turn();
    assert_null(socket_of(&alice));
}

/* A pong confirms what was sent before its ping, but nothing that a recovery must still replay. */

static void a_pong_while_a_recovery_is_asked_about_confirms_nothing(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    emit_to(alice.sid, "[\"missed\"]", PACKET_MESSAGE);
    script.defers_connects = true;
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    loop_advance(loop, 25000);
    assert_hears(&again, "2");
    says(&again, "3");
    local_client_leave(again.client);
    script.defers_connects = false;
    inherit(&third, &alice);
    comes_back_as(&third, "alice", false);
    assert_hears_event(&third, "42[\"missed\"]");
    assert_recovered(&third, &alice);
}

static void a_pong_from_before_a_recovery_confirms_nothing(void **state) {
    comes_as(&alice, "alice");
    local_client_leave(alice.client);
    arrives(&again, &(struct local_client_options){0});
    emit_to(alice.sid, "[\"missed\"]", PACKET_MESSAGE);
    loop_advance(loop, 25000);
    assert_hears(&again, "2");
    local_client_stall(again.client, true);
    char text[128];
    snprintf(text, sizeof text, "40{\"user\":\"alice\",\"pid\":\"%s\"}", alice.pid);
    says(&again, text);
    says(&again, "3");
    local_client_leave(again.client); /* it never read the replay */
    inherit(&third, &alice);
    comes_back_as(&third, "alice", false);
    assert_hears_event(&third, "42[\"missed\"]");
    assert_recovered(&third, &alice);
}

static void join_room(struct socket *socket) {
    assert_true(socket_join(socket, SLICE("room")));
}

static void events_during_the_first_connect_are_not_taken_for_known(void **state) {
    script.on_connect = join_room;
    script.defers_connects = true;
    arrives(&alice, &(struct local_client_options){0});
    says(&alice, "40{\"user\":\"alice\"}");
    emit_to("room", "[\"early\"]", PACKET_MESSAGE);
    script.defers_connects = false;
    scene_answer(POLICY_OK, "");
    turn();
    const char *got = hears(&alice); /* the connection breaks here */
    take_id(got, "sid", alice.sid);
    take_id(got, "pid", alice.pid);
    local_client_leave(alice.client);
    inherit(&again, &alice);
    comes_back_as(&again, "alice", false);
    assert_hears_event(&again, "42[\"early\"]");
    assert_recovered(&again, &alice);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, leave_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(a_recovered_socket_gets_missed_events_before_its_connect),
        SCENE(a_session_without_any_event_is_recovered_from_its_start),
        SCENE(a_socket_can_be_recovered_while_its_old_connection_is_open),
        SCENE(an_old_sockets_timeout_does_not_touch_the_recovered_session),
        SCENE(a_socket_is_recovered_twice_in_a_row),
        SCENE(a_client_that_was_quiet_for_long_is_recovered),
        SCENE(a_volatile_event_carries_an_offset_that_recovers),
        SCENE(more_than_the_limit_is_not_replayed_in_part),
        SCENE(a_replay_larger_than_the_outbox_is_written_whole),
        SCENE(a_pid_of_another_user_recovers_nothing),
        SCENE(an_offset_that_is_none_of_ours_recovers_nothing),
        SCENE(a_guest_is_recognised_by_their_pid),
        SCENE(a_room_that_is_no_longer_permitted_is_not_replayed),
        SCENE(who_was_banned_meanwhile_does_not_come_back),
        SCENE(the_record_is_there_from_connect_on_and_until_the_window_ends),
        SCENE(a_disconnect_by_either_side_leaves_nothing_to_recover),
        SCENE(what_was_trimmed_while_the_scripts_were_asked_makes_a_fresh_socket),
        SCENE(a_connection_lost_while_it_is_recovered_can_be_recovered_again),
        SCENE(a_room_that_is_left_while_away_stays_left),
        SCENE(a_room_that_is_joined_while_away_is_heard_from_then_on),
        SCENE(a_sockets_values_come_back_with_it),
        SCENE(who_is_disconnected_while_away_does_not_come_back),
        SCENE(room_operations_reach_sockets_that_are_away),
        SCENE(a_hook_may_end_the_socket_that_takes_the_place_of_another),
        SCENE(a_hook_may_end_the_socket_that_begins_anew),
        SCENE(scripts_hear_of_an_end_before_the_return),
        SCENE(a_hook_that_waits_keeps_its_socket_and_nothing_else),
        SCENE(a_pong_while_a_recovery_is_asked_about_confirms_nothing),
        SCENE(a_pong_from_before_a_recovery_confirms_nothing),
        SCENE(events_during_the_first_connect_are_not_taken_for_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
