/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/memory_budget.h"
#include "session/socket_call.h"
#include "session/socket_rooms.h"
#include "support/hub_scene.h"

static struct person alice, bob;

static int leave_all(void **state) {
    goes(&alice);
    goes(&bob);
    return tear_down(state);
}

/* Connecting. */

static void who_connects_is_greeted_with_a_public_id_and_a_secret_one(void **state) {
    comes_as(&alice, "alice");
    assert_int_equal(strlen(alice.sid), 20);
    assert_int_equal(strlen(alice.pid), 28); /* the worker's name and 132 random bits */
    assert_string_not_equal(alice.sid, alice.pid);
    assert_false(slice_is(local_client_session_id(alice.client), alice.sid));
    assert_true(slice_is(socket_user_id(socket_of(&alice)), "alice"));
    assert_int_equal(hub_user_sessions(hub, SLICE("alice")), 1);
}

static void without_an_authenticate_hook_everyone_is_a_guest(void **state) {
    script.authenticates = false;
    comes_as(&alice, "alice");
    comes_as(&bob, "alice");
    struct slice a = socket_user_id(socket_of(&alice)), b = socket_user_id(socket_of(&bob));
    assert_int_equal(strncmp(a.ptr, "guest-", 6), 0);
    assert_false(slice_equal(a, b));
}

static void an_unknown_namespace_is_refused_in_the_words_of_the_protocol(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "40/random,");
    assert_hears(&alice, "44/random,{\"message\":\"Invalid namespace\"}");
    says(&alice, "421[\"echo\",1]");
    assert_hears(&alice, "431[1]");
}

static void a_refused_client_reads_why_and_keeps_its_connection(void **state) {
    arrives(&alice, &(struct local_client_options){0});
    says(&alice, "40{}");
    assert_hears(&alice, "44{\"message\":\"who are you\",\"data\":{\"hint\":1}}");
    assert_false(is_closed(&alice, NULL));
}

static void a_user_id_that_is_none_is_a_script_error(void **state) {
    arrives(&alice, &(struct local_client_options){0});
    says(&alice, "40{\"user\":\"a\\nb\"}");
    assert_hears(&alice, "44{\"message\":\"script_error\",\"data\":{\"code\":\"script_error\"}}");
}

static void namespaces_beyond_the_limit_are_refused(void **state) {
    struct hub_settings settings = scene_settings();
    settings.namespaces_max = 1;
    hub_set(hub, &settings);
    comes_as(&alice, "alice");
    says(&alice, "40/admin,{\"user\":\"alice\"}");
    assert_hears(&alice, "44/admin,{\"message\":\"Too many namespaces\"}");
}

static void events_sent_before_the_connect_reply_wait_for_it(void **state) {
    script.defers_connects = true;
    arrives(&alice, &(struct local_client_options){0});
    says(&alice, "40{\"user\":\"alice\"}");
    says(&alice, "427[\"echo\",\"early\"]");
    assert_null(hears(&alice));
    scene_answer(POLICY_OK, "");
    turn();
    assert_int_equal(strncmp(hears(&alice), "40{", 3), 0);
    assert_hears(&alice, "437[\"early\"]");
}

static void emit_welcome(struct socket *socket) {
    assert_true(socket_emit(socket, SLICE("[\"welcome\"]"), NULL, 0, PACKET_MESSAGE));
}

static void what_the_connect_hook_emits_follows_the_connect_reply(void **state) {
    script.on_connect = emit_welcome;
    comes_as(&alice, "alice"); /* the client got "40" first */
    assert_hears_event(&alice, "42[\"welcome\"]");
}

static void who_joins_no_namespace_is_closed_in_time(void **state) {
    arrives(&alice, &(struct local_client_options){.answers_pings = true});
    loop_advance(loop, 44999);
    assert_false(is_closed(&alice, NULL));
    loop_advance(loop, 2);
    assert_true(is_closed(&alice, NULL));
    assert_int_equal(metric_get(METRIC_SESSIONS, NULL), 0);
}

/* Events. */

static void each_failure_of_an_event_has_its_code(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "420[\"nobody\"]");
    assert_hears(
        &alice, "430[{\"ok\":false,\"error\":{\"code\":\"unknown_event\",\"message\":\"no handler for this event\"}}]");
    says(&alice, "421[\"crash\"]");
    assert_hears(&alice,
                 "431[{\"ok\":false,\"error\":{\"code\":\"script_error\",\"message\":\"the handler failed\"}}]");
    says(&alice, "422[\"busy\"]");
    assert_hears(&alice,
                 "432[{\"ok\":false,\"error\":{\"code\":\"unavailable\",\"message\":\"the server cannot do this "
                 "now\",\"retryAfter\":1}}]");
    says(&alice, "423[7]"); /* a number is no event name */
    assert_hears(
        &alice, "433[{\"ok\":false,\"error\":{\"code\":\"unknown_event\",\"message\":\"no handler for this event\"}}]");
    says(&alice, "42[\"nobody\"]");
    assert_null(hears(&alice));
    assert_int_equal(metric_get(METRIC_REJECTED, "unknown_event"), 3);
    assert_int_equal(metric_get(METRIC_REJECTED, "script_error"), 1);
    assert_int_equal(metric_get(METRIC_REJECTED, "unavailable"), 1);
}

static void events_of_a_session_are_handled_one_by_one_in_order(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "421[\"slow\",1]");
    says(&alice, "422[\"slow\",2]");
    says(&alice, "423[\"echo\",3]");
    assert_string_equal(script.slow_seen, "1 ");
    assert_int_equal(hub_events_waiting(hub), 3);
    scene_answer(POLICY_OK, "[\"one\"]");
    turn();
    assert_hears(&alice, "431[\"one\"]");
    assert_string_equal(script.slow_seen, "1 2 ");
    scene_answer(POLICY_OK, "[\"two\"]");
    turn();
    assert_hears(&alice, "432[\"two\"]");
    assert_hears(&alice, "433[3]");
    assert_int_equal(hub_events_waiting(hub), 0);
}

static void a_full_inbox_stops_reading_until_it_is_half_empty(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "421[\"slow\",1]");
    while (!local_client_paused(alice.client)) says(&alice, "42[\"echo\",\"a message that has to wait its turn\"]");
    /* The server paused reading: no pong can be read, so none is missed. */
    loop_advance(loop, 25000 + 20000 + 1);
    assert_false(is_closed(&alice, NULL));
    scene_answer(POLICY_OK, "[]");
    turn();
    assert_false(local_client_paused(alice.client));
}

static void acknowledgement_comes_before_held_events(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "425[\"held\"]");
    emit_to(alice.sid, "[\"later\"]", PACKET_MESSAGE);
    turn();
    assert_null(hears(&alice));
    scene_answer(POLICY_OK, "[\"tail\"]");
    turn();
    assert_hears(&alice, "435[\"tail\"]");
    assert_hears_event(&alice, "42[\"live\"]");
    assert_hears_event(&alice, "42[\"later\"]");
}

static void a_binary_event_waits_for_its_attachments(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "451-8[\"echo\",{\"_placeholder\":true,\"num\":0}]");
    assert_null(hears(&alice));
    local_client_send(alice.client, SLICE("\x01\x02"), true);
    turn();
    assert_non_null(hears(&alice));
    assert_int_equal(script.asked[POLICY_EVENT], 1);
}

static void heard(void *owner, enum socket_call_status status, struct slice json, const struct slice *attachments,
                  unsigned attachments_len) {
    snprintf(owner, 64, "%d:%.*s", (int)status, SLICE_ARG(json));
}

static void a_question_is_answered_once_by_ack_timeout_or_end(void **state) {
    char first[64] = "", second[64] = "", third[64] = "";
    comes_as(&alice, "alice");
    assert_true(socket_ask(socket_of(&alice), SLICE("[\"q\"]"), NULL, 0, 1000, heard, first));
    assert_true(socket_ask(socket_of(&alice), SLICE("[\"q\"]"), NULL, 0, 1000, heard, second));
    turn();
    assert_hears(&alice, "420[\"q\"]");
    says(&alice, "430[\"yes\"]");
    says(&alice, "430[\"again\"]");
    says(&alice, "4399[]");
    assert_string_equal(first, "0:[\"yes\"]");
    loop_advance(loop, 1001);
    assert_string_equal(second, "1:");
    assert_true(socket_ask(socket_of(&alice), SLICE("[\"q\"]"), NULL, 0, 1000, heard, third));
    local_client_leave(alice.client);
    turn();
    assert_string_equal(third, "2:");
}

static void reserved_events_and_too_many_attachments_are_never_sent(void **state) {
    struct slice attachments[11] = {{0}};
    comes_as(&alice, "alice");
    assert_false(socket_emit(socket_of(&alice), SLICE("[\"disconnect\"]"), NULL, 0, PACKET_MESSAGE));
    assert_false(socket_emit(socket_of(&alice), SLICE("[\"x\"]"), attachments, 11, PACKET_MESSAGE));
    emit_to(alice.sid, "[\"connect\"]", PACKET_MESSAGE);
    turn();
    assert_null(hears(&alice));
}

/* Endings. */

static void assert_closed_by(const char *text) {
    comes_as(&alice, "alice");
    int64_t rejected = metric_get(METRIC_REJECTED, NULL);
    says(&alice, text);
    if (!is_closed(&alice, NULL)) fail_msg("not closed by %s", text);
    if (metric_get(METRIC_REJECTED, NULL) != rejected + 1) fail_msg("not counted once: %s", text);
    goes(&alice);
}

static void what_the_protocol_forbids_ends_the_session(void **state) {
    const char *forbidden[] = {"40{\"user\":\"alice\"}",
                               "44{\"message\":\"x\"}",
                               "42/admin,[\"echo\"]",
                               "4abc",
                               "42{}",
                               "42[\"connect\"]",
                               "42[]",
                               "2",
                               "41/admin,",
                               "459-[]",
                               "9",
                               ""};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) assert_closed_by(forbidden[i]);
}

static void an_event_before_connect_ends_the_session(void **state) {
    arrives(&alice, &(struct local_client_options){0});
    says(&alice, "42[\"echo\"]");
    assert_true(is_closed(&alice, NULL));
}

static void leaving_a_namespace_leaves_the_connection_open(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "41");
    assert_null(socket_of(&alice));
    assert_string_equal(script.parted, "client namespace disconnect;");
    loop_advance(loop, 25000);
    assert_hears(&alice, "2");
}

static void says_much(struct person *person, const char *before, size_t len, const char *after) {
    struct buffer text = {0};
    buffer_append_str(&text, before);
    memset(buffer_reserve(&text, len), 'x', len);
    text.len += len;
    buffer_append_str(&text, after);
    local_client_send(person->client, buffer_slice(&text), false);
    turn();
    buffer_done(&text);
}

static void who_is_not_known_yet_says_little(void **state) {
    static const struct local_client_options plain = {.plain = true};
    uint16_t code;
    arrives(&alice, &(struct local_client_options){0});
    says_much(&alice, "40{\"user\":\"alice\",\"more\":\"", 65000, "\"}");
    assert_int_equal(strncmp(hears(&alice), "40{", 3), 0);
    says_much(&alice, "421[\"nobody\",\"", 900000, "\"]");
    assert_false(is_closed(&alice, NULL));
    unsigned asked = script.asked[POLICY_AUTHENTICATE];
    says_much(&alice, "40/admin,{\"user\":\"alice\",\"more\":\"", 65536, "\"}");
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, 1009);
    goes(&alice);
    for (int i = 0; i < 2; i++) { /* nobody checks that it is JSON */
        arrives(&alice, i ? &plain : &(struct local_client_options){0});
        says_much(&alice, i ? "{\"type\":" : "42[", 65536, "");
        assert_true(is_closed(&alice, &code));
        assert_int_equal(code, 1009);
        goes(&alice);
    }
    assert_int_equal(script.asked[POLICY_AUTHENTICATE], asked);
}

static void a_binary_event_without_its_attachments_ends_the_session_in_time(void **state) {
    comes_as(&alice, "alice");
    says(&alice, "451-[\"echo\",{\"_placeholder\":true,\"num\":0}]");
    loop_advance(loop, 25000);
    says(&alice, "3");
    assert_false(is_closed(&alice, NULL));
    loop_advance(loop, 20001);
    assert_true(is_closed(&alice, NULL));
}

static void binary_events_that_never_end_hold_no_more_than_the_budget(void **state) {
    struct hub_settings settings = scene_settings();
    static char bytes[6000];
    uint16_t code;
    settings.inbound = memory_budget_new(10000);
    hub_set(hub, &settings);
    comes_as(&alice, "alice");
    comes_as(&bob, "bob");
    struct person *both[] = {&alice, &bob};
    for (int i = 0; i < 2; i++) {
        says(both[i], "452-[\"echo\",{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}]");
        local_client_send(both[i]->client, (struct slice){bytes, sizeof bytes}, true);
        turn();
    }
    assert_false(is_closed(&alice, NULL));
    assert_true(is_closed(&bob, &code));
    assert_int_equal(code, 1013);
    goes(&alice);
    goes(&bob);
    struct memory_budget *budget = settings.inbound;
    settings.inbound = NULL;
    hub_set(hub, &settings);
    memory_budget_free(&budget);
}

static void a_drain_closes_transports_and_says_no_disconnect(void **state) {
    uint16_t code;
    struct slice reason;
    comes_as(&alice, "alice");
    hub_close_all(hub, CLOSE_SHUTTING_DOWN);
    turn();
    assert_true(local_client_closed(alice.client, &code, &reason));
    assert_int_equal(code, 1012);
    assert_true(json_valid(reason));
    assert_true(json_member(reason, "retryAfterMs").len > 0);
    assert_null(hears(&alice));
    assert_int_equal(hub_sessions(hub), 0);
}

static void close_it(void *owner, struct socket *socket) {
    socket_close(socket, CLOSE_FORCED);
}

static void all_sessions_of_a_user_can_be_closed(void **state) {
    comes_as(&alice, "alice");
    comes_as(&bob, "alice");
    assert_int_equal(hub_user_sessions(hub, SLICE("alice")), 2);
    hub_each_of_user(hub, SLICE("alice"), close_it, NULL);
    turn();
    assert_true(is_closed(&alice, NULL) && is_closed(&bob, NULL));
    assert_int_equal(hub_user_sessions(hub, SLICE("alice")), 0);
}

static void a_token_that_expires_ends_its_session(void **state) {
    uint16_t code;
    comes_as(&alice, "alice");
    socket_expires(socket_of(&alice), loop_wall_ms(loop) + 5000);
    loop_advance(loop, 4999);
    assert_false(is_closed(&alice, NULL));
    loop_advance(loop, 2);
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, 4401);
}

static void a_token_that_is_good_for_months_lasts_so_long(void **state) {
    uint64_t months_ms = UINT64_C(60) * 86400 * 1000;
    comes_as(&alice, "alice");
    socket_expires(socket_of(&alice), loop_wall_ms(loop) + months_ms);
    for (uint64_t ms = 25000; ms < months_ms; ms += 25000) {
        loop_advance(loop, 25000);
        assert_hears(&alice, "2");
        says(&alice, "3");
    }
    assert_false(is_closed(&alice, NULL));
    loop_advance(loop, 25000);
    assert_true(is_closed(&alice, NULL));
}

static void a_token_valid_longer_than_a_timer_does_not_end_early(void **state) {
    struct hub_settings settings = scene_settings();
    settings.ping_interval_ms = 12 * 3600 * 1000;
    hub_set(hub, &settings);
    comes_as(&alice, "alice");
    socket_expires(socket_of(&alice), loop_wall_ms(loop) + ((UINT64_C(1) << 32) + 60) * 1000); /* 136 years */
    for (int i = 0; i < 2 * 14; i++) {
        loop_advance(loop, settings.ping_interval_ms);
        assert_hears(&alice, "2");
        says(&alice, "3");
    }
    assert_false(is_closed(&alice, NULL));
}

/* Heartbeat. */

static void an_idle_client_that_answers_pings_is_healthy(void **state) {
    comes_as(&alice, "alice");
    for (int i = 0; i < 10; i++) {
        loop_advance(loop, 25000);
        assert_hears(&alice, "2");
        says(&alice, "3");
    }
    assert_false(is_closed(&alice, NULL));
}

static void pings_go_out_on_schedule_while_data_flows(void **state) {
    comes_as(&alice, "alice");
    for (int i = 0; i < 24; i++) {
        loop_advance(loop, 1000);
        says(&alice, "421[\"echo\",1]");
        assert_hears(&alice, "431[1]");
    }
    loop_advance(loop, 1000);
    assert_hears(&alice, "2");
}

static void only_a_pong_keeps_a_client_alive(void **state) {
    comes_as(&alice, "alice");
    loop_advance(loop, 25000);
    loop_advance(loop, 19000);
    says(&alice, "421[\"echo\",1]");
    loop_advance(loop, 1001);
    assert_false(is_closed(&alice, NULL)); /* its pong may be queued behind what came: the timeout starts once more */
    says(&alice, "422[\"echo\",2]");
    loop_advance(loop, 19000);
    assert_true(is_closed(&alice, NULL));
    assert_string_equal(script.parted, "ping timeout;");
}

static void a_pong_behind_something_large_is_in_time(void **state) {
    comes_as(&alice, "alice");
    loop_advance(loop, 25000 + 19000);
    says(&alice, "42[\"echo\",1]");
    loop_advance(loop, 19000);
    says(&alice, "3");
    loop_advance(loop, 2000);
    assert_false(is_closed(&alice, NULL));
}

static void new_timings_hold_for_new_sessions_only(void **state) {
    struct hub_settings settings = scene_settings();
    comes_as(&alice, "alice");
    settings.ping_interval_ms = 1000;
    settings.ping_timeout_ms = 500;
    hub_set(hub, &settings);
    comes_as(&bob, "bob");
    loop_advance(loop, 1600);
    assert_true(is_closed(&bob, NULL));
    assert_null(hears(&alice));
    loop_advance(loop, 25000 - 1600);
    assert_hears(&alice, "2");
    loop_advance(loop, 19000);
    assert_false(is_closed(&alice, NULL));
    says(&alice, "3");
    loop_advance(loop, 24999);
    assert_null(hears(&alice));
    loop_advance(loop, 1);
    assert_hears(&alice, "2");
}

static void the_pong_is_due_from_when_the_kernel_took_the_ping(void **state) {
    comes_as(&alice, "alice");
    local_client_stall(alice.client, true);
    loop_advance(loop, 25000 + 20000 + 1000); /* the ping is still queued */
    assert_false(is_closed(&alice, NULL));
    local_client_stall(alice.client, false);
    turn();
    assert_hears(&alice, "2");
    loop_advance(loop, 19000);
    says(&alice, "3");
    loop_advance(loop, 2000);
    assert_false(is_closed(&alice, NULL));
}

/* Other forms. */

static void the_plain_form_connects_asks_and_is_told(void **state) {
    arrives(&alice, &(struct local_client_options){.plain = true});
    says(&alice, "{\"type\":\"connect\",\"auth\":{\"user\":\"alice\"}}");
    const char *got = hears(&alice);
    assert_non_null(got);
    take_id(got, "id", alice.sid);
    assert_int_equal(strlen(alice.sid), 20);
    says(&alice, "{\"type\":\"event\",\"event\":\"echo\",\"args\":[7],\"id\":3}");
    assert_hears(&alice, "{\"type\":\"ack\",\"id\":3,\"args\":[7]}");
    emit_to(alice.sid, "[\"news\",1]", PACKET_MESSAGE);
    turn();
    assert_hears(&alice, "{\"type\":\"event\",\"event\":\"news\",\"args\":[1]}");
}

static void assert_plain_closes(const char *text, bool binary, uint16_t expected) {
    uint16_t code = 0;
    arrives(&alice, &(struct local_client_options){.plain = true});
    local_client_send(alice.client, slice_of(text), binary);
    turn();
    assert_true(is_closed(&alice, &code));
    assert_int_equal(code, expected);
    goes(&alice);
}

static void the_plain_form_closes_with_the_code_of_the_fault(void **state) {
    assert_plain_closes("{", false, 1007);
    assert_plain_closes("{\"type\":\"nonsense\"}", false, 1008);
    assert_plain_closes("x", true, 1003);
    assert_plain_closes("{\"type\":\"connect\",\"auth\":{}}", false, 4401);
}

static void a_bare_engine_echoes_text_and_bytes(void **state) {
    bool binary;
    hub_set_endpoints(hub, &(struct hub_endpoint){.path = "/engine.io/"}, 1);
    arrives(&alice, &(struct local_client_options){.endpoint_path = "/engine.io/"});
    says(&alice, "4hello");
    assert_hears(&alice, "4hello");
    local_client_send(alice.client, SLICE("\x01\x02\x03"), true);
    turn();
    buffer_clear(&alice.got);
    assert_true(local_client_take(alice.client, &alice.got, &binary));
    assert_true(binary);
    assert_int_equal(alice.got.len, 3);
}

/* Rooms. */

static size_t rooms_len(void) {
    size_t cursor = 0, len = 0;
    while (rooms_next(rooms, SLICE("/"), &cursor)) len++;
    return len;
}

static size_t emit_but(const char *except, const char *args) {
    struct slice names[] = {{except, strlen(except)}};
    return room_emit(rooms, &(struct room_emit){.namespace_name = SLICE("/"),
                                                .except = names,
                                                .except_len = 1,
                                                .class = PACKET_MESSAGE,
                                                .args = {args, strlen(args)}});
}

static void a_sockets_own_room_is_there_once_it_is_used(void **state) {
    comes_as(&alice, "alice");
    comes_as(&bob, "bob");
    assert_int_equal(rooms_len(), 0);
    assert_true(socket_is_in(socket_of(&alice), socket_id(socket_of(&alice))));
    assert_int_equal(emit_but(alice.sid, "[\"others\"]"), 1);
    emit_to(bob.sid, "[\"to bob\"]", PACKET_MESSAGE);
    turn();
    assert_hears_event(&bob, "42[\"others\"]");
    assert_hears_event(&bob, "42[\"to bob\"]");
    assert_null(hears(&alice));
    assert_int_equal(rooms_len(), 2);
}

static void who_joins_anothers_own_room_finds_its_owner_there(void **state) {
    comes_as(&alice, "alice");
    comes_as(&bob, "bob");
    assert_true(socket_join(socket_of(&bob), slice_of(alice.sid)));
    emit_to(alice.sid, "[\"to both\"]", PACKET_MESSAGE);
    turn();
    assert_hears_event(&alice, "42[\"to both\"]");
    assert_hears_event(&bob, "42[\"to both\"]");
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, set_up, leave_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(who_connects_is_greeted_with_a_public_id_and_a_secret_one),
        SCENE(without_an_authenticate_hook_everyone_is_a_guest),
        SCENE(an_unknown_namespace_is_refused_in_the_words_of_the_protocol),
        SCENE(a_refused_client_reads_why_and_keeps_its_connection),
        SCENE(a_user_id_that_is_none_is_a_script_error),
        SCENE(namespaces_beyond_the_limit_are_refused),
        SCENE(events_sent_before_the_connect_reply_wait_for_it),
        SCENE(what_the_connect_hook_emits_follows_the_connect_reply),
        SCENE(who_joins_no_namespace_is_closed_in_time),
        SCENE(each_failure_of_an_event_has_its_code),
        SCENE(events_of_a_session_are_handled_one_by_one_in_order),
        SCENE(a_full_inbox_stops_reading_until_it_is_half_empty),
        SCENE(acknowledgement_comes_before_held_events),
        SCENE(a_binary_event_waits_for_its_attachments),
        SCENE(a_question_is_answered_once_by_ack_timeout_or_end),
        SCENE(reserved_events_and_too_many_attachments_are_never_sent),
        SCENE(what_the_protocol_forbids_ends_the_session),
        SCENE(an_event_before_connect_ends_the_session),
        SCENE(leaving_a_namespace_leaves_the_connection_open),
        SCENE(who_is_not_known_yet_says_little),
        SCENE(a_binary_event_without_its_attachments_ends_the_session_in_time),
        SCENE(binary_events_that_never_end_hold_no_more_than_the_budget),
        SCENE(a_drain_closes_transports_and_says_no_disconnect),
        SCENE(all_sessions_of_a_user_can_be_closed),
        SCENE(a_token_that_expires_ends_its_session),
        SCENE(a_token_that_is_good_for_months_lasts_so_long),
        SCENE(a_token_valid_longer_than_a_timer_does_not_end_early),
        SCENE(an_idle_client_that_answers_pings_is_healthy),
        SCENE(pings_go_out_on_schedule_while_data_flows),
        SCENE(only_a_pong_keeps_a_client_alive),
        SCENE(a_pong_behind_something_large_is_in_time),
        SCENE(new_timings_hold_for_new_sessions_only),
        SCENE(the_pong_is_due_from_when_the_kernel_took_the_ping),
        SCENE(the_plain_form_connects_asks_and_is_told),
        SCENE(the_plain_form_closes_with_the_code_of_the_fault),
        SCENE(a_bare_engine_echoes_text_and_bytes),
        SCENE(a_sockets_own_room_is_there_once_it_is_used),
        SCENE(who_joins_anothers_own_room_finds_its_owner_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
