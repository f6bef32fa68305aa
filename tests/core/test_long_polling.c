/* SPDX-License-Identifier: Apache-2.0 */
/* Long-polling over real sockets. */
#include "support/polling_rig.h"

#include "inside/inside.h"
#include "session/handshake.h"
#include "session/session_internal.h"

/* Handshake. */

static void the_open_packet_has_exactly_its_five_keys(void **state) {
    struct answer answer = polling_fetch("GET", "EIO=4&transport=polling", "");
    char expected[256];
    take_id(answer.body, "sid", sid);
    snprintf(expected, sizeof expected,
             "0{\"sid\":\"%s\",\"upgrades\":[\"websocket\"],\"pingInterval\":300,\"pingTimeout\":200,"
             "\"maxPayload\":1000000}",
             sid);
    assert_answer(answer, 200, expected);
    assert_non_null(strcasestr(answer.head, "cache-control: no-store"));
    assert_non_null(strcasestr(answer.head, "content-type: text/plain; charset=UTF-8"));
}

static void each_refusal_has_its_code_in_the_order_of_the_checks(void **state) {
    int64_t rejected = metric_get(METRIC_REJECTED, NULL);
    assert_answer(polling_fetch("GET", "EIO=4", ""), 400, "{\"code\":0,\"message\":\"Transport unknown\"}");
    assert_answer(polling_fetch("GET", "EIO=4&transport=foo&sid=x", ""), 400,
                  "{\"code\":0,\"message\":\"Transport unknown\"}");
    assert_answer(polling_fetch("GET", "EIO=4&transport=polling&sid=x", ""), 400,
                  "{\"code\":1,\"message\":\"Session ID unknown\"}");
    assert_answer(polling_fetch("POST", "EIO=4&transport=polling", ""), 400,
                  "{\"code\":2,\"message\":\"Bad handshake method\"}");
    assert_answer(polling_fetch("GET", "EIO=4&transport=websocket", ""), 400,
                  "{\"code\":3,\"message\":\"Bad request\"}");
    assert_answer(polling_fetch("GET", "EIO=3&transport=polling", ""), 400,
                  "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    assert_answer(polling_fetch("GET", "transport=polling", ""), 400,
                  "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    assert_answer(polling_fetch("GET", "EIO=99&transport=polling", ""), 400,
                  "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    assert_answer(answer_of(open_websocket("EIO=3&transport=websocket")), 400, "Unsupported protocol version");
    assert_int_equal(metric_get(METRIC_REJECTED, NULL), rejected + 9);
}

static void a_strange_origin_is_forbidden_and_a_known_one_gets_its_headers(void **state) {
    struct answer answer =
        answer_of(polling_ask("GET", "EIO=4&transport=polling", "Origin: https://evil.example\r\n", ""));
    assert_answer(answer, 403, "{\"code\":4,\"message\":\"Forbidden\"}");
    assert_null(strcasestr(answer.head, "access-control"));
    answer = answer_of(polling_ask("GET", "EIO=4&transport=polling", "Origin: https://friend.example\r\n", ""));
    assert_int_equal(answer.status, 200);
    assert_non_null(strcasestr(answer.head, "access-control-allow-origin: https://friend.example"));
    assert_non_null(strcasestr(answer.head, "access-control-allow-credentials: true"));
    answer = answer_of(polling_ask("OPTIONS", "EIO=4&transport=polling", "Origin: https://friend.example\r\n", ""));
    assert_int_equal(answer.status, 204);
    assert_non_null(strcasestr(answer.head, "access-control-allow-methods"));
}

static void a_client_that_closes_its_connection_is_told_that_it_closes(void **state) {
    struct answer answer = answer_of(polling_ask("GET", "EIO=4&transport=polling", "Connection: close\r\n", ""));
    assert_int_equal(answer.status, 200);
    assert_non_null(strcasestr(answer.head, "connection: close"));
}

static void seats_are(unsigned seats) {
    uint64_t deadline = loop_clock_us(loop) + DEADLINE_US;
    while (admission_seats(admission) != seats && loop_clock_us(loop) < deadline) loop_turn(loop);
    assert_int_equal(admission_seats(admission), seats);
}

static void a_handshake_keeps_the_headers_that_scripts_read_and_no_others(void **state) {
    char filler[3000], headers[3200];
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    snprintf(headers, sizeof headers, "User-Agent: a phone\r\nX-Filler: %s\r\n", filler);
    struct answer answer = answer_of(polling_ask("GET", "EIO=4&transport=polling", headers, ""));
    assert_int_equal(answer.status, 200);
    take_id(answer.body, "sid", sid);
    const struct session *session = map_find(hub->sessions, slice_of(sid));
    assert_non_null(session);
    assert_non_null(strstr(session->handshake->json, "\"user-agent\":\"a phone\""));
    assert_null(strcasestr(session->handshake->json, "filler"));
    assert_in_range(strlen(session->handshake->json), 1, 500);
}

/* Whatever it does with its connections. */
static void a_polling_session_takes_a_seat_until_its_end(void **state) {
    settings.ping_interval_ms = settings.ping_timeout_ms = 60000;
    hub_set(hub, &settings);
    admission_set(admission, &(struct admission_settings){.connections = 3, .connections_per_address = 2});
    struct buffer in = {0};
    char first[160];
    open_session();
    memcpy(first, polling, sizeof first);
    open_session();
    assert_int_equal(admission_seats(admission), 2);
    size_t sessions = hub_sessions(hub);
    for (int i = 0; i < 20; i++) {
        struct answer answer = polling_fetch("GET", "EIO=4&transport=polling", "");
        assert_int_equal(answer.status, 503);
        assert_non_null(strcasestr(answer.head, "\r\nretry-after: "));
    }
    assert_int_equal(hub_sessions(hub), sessions);
    assert_answer(polling_fetch("POST", first, "1"), 200, "ok");
    seats_are(1);
    open_session();
    seats_are(2);

    char query[160]; /* as a WebSocket it has its connection's */
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    int fd = upgraded(query, &in);
    send_frame(fd, "2probe");
    assert_frame(fd, &in, "3probe");
    send_frame(fd, "5");
    seats_are(1);
    close(fd);
    buffer_done(&in);
}

static const char unknown[] = "{\"code\":1,\"message\":\"Session ID unknown\"}";

static void a_newcomer_takes_the_seat_of_one_not_let_in(void **state) {
    polling_path = "/socket.io/";
    admission_set(admission, &(struct admission_settings){.connections = 2});
    open_session();
    assert_answer(polling_fetch("POST", polling, "40{\"user\":\"guest\"}"), 200, "ok");
    open_session();
    int fd = polling_ask("GET", polling, "", "");
    open_session();
    assert_answer(answer_of(fd), 400, unknown);
    assert_int_equal(hub_sessions(hub), 2);
    seats_are(2);
    polling_path = "/engine.io/";
}

/* Packets. */

static void packets_go_both_ways_text_and_binary(void **state) {
    open_session();
    assert_answer(polling_fetch("POST", polling,
                                "4hello\x1e"
                                "bAQIDBA==\n\x1e"
                                "4bye"),
                  200, "ok");
    assert_answer(polling_fetch("GET", polling, ""), 200,
                  "4hello\x1e"
                  "bAQIDBA==\x1e"
                  "4bye");
}

static void a_poll_waits_for_what_comes(void **state) {
    open_session();
    int get = polling_ask("GET", polling, "", "");
    assert_answer(polling_fetch("POST", polling, "4late"), 200, "ok");
    assert_answer(answer_of(get), 200, "4late");
}

static void a_second_poll_closes_the_session(void **state) {
    open_session();
    int first = waiting_poll();
    int64_t rejected = metric_get(METRIC_REJECTED, NULL);
    assert_int_equal(polling_fetch("GET", polling, "").status, 400);
    assert_int_equal(metric_get(METRIC_REJECTED, NULL), rejected + 1);
    assert_answer(answer_of(first), 200, "1");
    assert_int_equal(polling_fetch("GET", polling, "").status, 400);
}

static void an_aborted_poll_closes_the_session(void **state) {
    open_session();
    int get = waiting_poll();
    close(get);
    POLLING_UNTIL(metric_get(METRIC_SESSIONS, NULL) == 0);
    assert_answer(polling_fetch("GET", polling, ""), 400, unknown);
}

static void decoding_stops_at_the_first_bad_packet(void **state) {
    open_session();
    assert_int_equal(polling_fetch("POST", polling,
                                   "4good\x1e"
                                   "x\x1e"
                                   "4lost")
                         .status,
                     400);
    assert_int_equal(polling_fetch("GET", polling, "").status, 400);
    assert_int_equal(script.asked[POLICY_MESSAGE], 1);
}

static void a_body_too_large_is_refused_and_the_session_stays(void **state) {
    char body[1200];
    memset(body, 'x', sizeof body - 1);
    body[0] = '4';
    body[sizeof body - 1] = 0;
    open_session();
    assert_int_equal(polling_fetch("POST", polling, body).status, 413);
    assert_answer(polling_fetch("POST", polling, "4ok"), 200, "ok");
    assert_answer(polling_fetch("GET", polling, ""), 200, "4ok");
}

static void bytes_as_a_body_close_the_session(void **state) {
    open_session();
    assert_int_equal(answer_of(polling_ask("POST", polling, "Content-Type: application/octet-stream\r\n", "4x")).status,
                     400);
    assert_int_equal(polling_fetch("GET", polling, "").status, 400);
}

static void a_client_that_closes_gets_noop_on_its_poll(void **state) {
    open_session();
    int get = waiting_poll();
    assert_answer(polling_fetch("POST", polling, "1"), 200, "ok");
    assert_answer(answer_of(get), 200, "6");
    assert_int_equal(polling_fetch("GET", polling, "").status, 400);
}

static void the_waiting_or_next_poll_hears_how_the_session_ended(void **state) {
    for (int returns = 0; returns < 2; returns++) {
        enum close_reason reason = returns ? CLOSE_SHUTTING_DOWN : CLOSE_SERVER_DISCONNECT;
        open_session();
        int get = waiting_poll();
        hub_close_all(hub, reason);
        assert_answer(answer_of(get), returns ? 400 : 200, returns ? unknown : "1");
        open_session();
        assert_answer(polling_fetch("POST", polling, "4last"), 200, "ok");
        hub_close_all(hub, reason);
        assert_answer(polling_fetch("GET", polling, ""), 200,
                      returns ? "4last"
                              : "4last\x1e"
                                "1");
        POLLING_UNTIL(metric_get(METRIC_SESSIONS, NULL) == 0);
        assert_answer(polling_fetch("GET", polling, ""), 400, unknown);
    }
}

static void a_poll_brings_the_ping_and_silence_ends_the_session(void **state) {
    open_session();
    assert_answer(polling_fetch("GET", polling, ""), 200, "2");
    assert_answer(polling_fetch("POST", polling, "3"), 200, "ok");
    POLLING_UNTIL(metric_get(METRIC_SESSIONS, NULL) == 0);
    assert_int_equal(polling_fetch("GET", polling, "").status, 400);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, serve_polling, stop_polling)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(the_open_packet_has_exactly_its_five_keys),
        SCENE(each_refusal_has_its_code_in_the_order_of_the_checks),
        SCENE(a_strange_origin_is_forbidden_and_a_known_one_gets_its_headers),
        SCENE(a_client_that_closes_its_connection_is_told_that_it_closes),
        SCENE(a_handshake_keeps_the_headers_that_scripts_read_and_no_others),
        SCENE(a_polling_session_takes_a_seat_until_its_end),
        SCENE(a_newcomer_takes_the_seat_of_one_not_let_in),
        SCENE(packets_go_both_ways_text_and_binary),
        SCENE(a_poll_waits_for_what_comes),
        SCENE(a_second_poll_closes_the_session),
        SCENE(an_aborted_poll_closes_the_session),
        SCENE(decoding_stops_at_the_first_bad_packet),
        SCENE(a_body_too_large_is_refused_and_the_session_stays),
        SCENE(bytes_as_a_body_close_the_session),
        SCENE(a_client_that_closes_gets_noop_on_its_poll),
        SCENE(the_waiting_or_next_poll_hears_how_the_session_ended),
        SCENE(a_poll_brings_the_ping_and_silence_ends_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
