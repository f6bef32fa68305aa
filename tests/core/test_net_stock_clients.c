/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as stock clients and proxies send them, which a strict server must not mistake for attacks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "support/net_rig.h"

#define POST_HEAD "POST /echo HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST_HEAD "Transfer-Encoding: chunked\r\n\r\n"

static struct rig rig;
static struct raw alice;

static int start_hasty(void **state) {
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    return 0;
}

/* Long enough for a loaded machine. */
static int start(void **state) {
    struct net_settings settings = rig_settings;
    settings.header_timeout_ms = settings.body_timeout_ms = 2 * RIG_PATIENCE_MS;
    rig_start(&rig, &settings);
    raw_connect(&alice, &rig);
    return 0;
}

static int stop(void **state) {
    raw_close(&alice);
    rig_stop(&rig);
    return 0;
}

static void expect_body(const char *body) {
    char wanted[128];
    snprintf(wanted, sizeof wanted, "\r\n\r\n%s", body);
    if (raw_status(&alice) != 200 || !strstr(alice.in.ptr, wanted)) fail_msg("not %s: %s", body, alice.in.ptr);
}

static void an_upgrade_to_an_unknown_protocol_is_ignored(void **state) {
    static const char *const upgrades[] = {
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        "Connection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/2.0\r\n",
        "Upgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websockets\r\n",
        "Connection: Upgrade\r\nUpgrade:\r\n",
    };
    char request[512];
    for (size_t i = 0; i < sizeof upgrades / sizeof *upgrades; i++) {
        snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: a\r\n%s\r\n", upgrades[i]);
        assert_int_equal(raw_ask(&alice, request), 200);
        expect_body("hello");
        snprintf(request, sizeof request, POST_HEAD "%sContent-Length: 2\r\n\r\nhi", upgrades[i]);
        assert_int_equal(raw_ask(&alice, request), 200);
        expect_body("hi");
    }
}

static void a_websocket_may_be_offered_among_others_and_in_several_fields(void **state) {
    assert_int_equal(raw_ask(&alice,
                             "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nUpgrade: h2c, WebSocket\r\n"
                             "Connection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
                     101);
}

static void a_body_may_come_in_chunks(void **state) {
    assert_int_equal(raw_ask(&alice, CHUNKED "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nDigest: x\r\n\r\n"), 200);
    expect_body("hello world");
    assert_int_equal(raw_ask(&alice, CHUNKED "0\r\n\r\n"), 200);
    raw_send_str(&alice, CHUNKED "3\r\none\r\n0\r\n\r\n" CHUNKED "3\r\ntwo\r\n0\r\n\r\n");
    buffer_clear(&alice.in);
    RAW_UNTIL(&alice, alice.in.len > 3 && memcmp(alice.in.ptr + alice.in.len - 3, "two", 3) == 0);
    assert_int_equal(raw_ask(&alice, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_int_equal(rig.requests, 5);
}

static void chunks_may_come_byte_by_byte_up_to_the_limit(void **state) {
    struct buffer request = {0};
    buffer_append_str(&request, CHUNKED);
    for (int i = 0; i < 100; i++) buffer_append_str(&request, "a\r\n0123456789\r\n");
    buffer_append_str(&request, "0\r\n\r\n");
    for (size_t i = 0; i < request.len; i++) {
        raw_send(&alice, request.ptr + i, 1);
        if (i % 7 == 0) loop_turn(rig.loop);
    }
    buffer_clear(&alice.in);
    RAW_UNTIL(&alice, raw_answered(&alice));
    assert_int_equal(raw_status(&alice), 200);
    assert_non_null(strstr(alice.in.ptr, "content-length: 1000\r\n"));
    buffer_done(&request);
}

static void chunks_that_do_not_end_are_answered_at_the_deadline(void **state) {
    assert_int_equal(raw_ask(&alice, CHUNKED "3\r\nabc\r\n"), 408);
    assert_int_equal(rig.requests, 0);
}

static void a_body_in_chunks_is_read_when_the_head_has_passed(void **state) {
    raw_send_str(&alice, "POST /offer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    RIG_UNTIL(&rig, rig.offered);
    http_read_body(rig.offered, rig_whole);
    raw_send_str(&alice, "3\r\ndef\r\n0\r\n\r\n");
    RAW_UNTIL(&alice, raw_answered(&alice));
    expect_body("abcdef");
}

#define WAITS "Expect: 100-continue\r\n"
#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

static void a_client_that_expects_100_continue_gets_it_at_once(void **state) {
    static const char *const requests[][3] = {
        {POST_HEAD WAITS "Content-Length: 5\r\n\r\n", "hello", "hello"},
        {POST_HEAD "expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nhi\r\n0\r\n\r\n", "hi"},
    };
    for (size_t i = 0; i < 2; i++) {
        buffer_clear(&alice.in);
        raw_send_str(&alice, requests[i][0]);
        RAW_UNTIL(&alice, alice.in.len >= strlen(CONTINUE));
        assert_int_equal(alice.in.len, strlen(CONTINUE));
        assert_memory_equal(alice.in.ptr, CONTINUE, strlen(CONTINUE));
        assert_int_equal(raw_ask(&alice, requests[i][1]), 200);
        expect_body(requests[i][2]);
    }
}

static void a_client_that_does_not_expect_100_continue_gets_none(void **state) {
    assert_int_equal(raw_ask(&alice, POST_HEAD WAITS "Content-Length: 2\r\n\r\nhi"), 200);
    assert_int_equal(raw_ask(&alice, POST_HEAD WAITS "Content-Length: 0\r\n\r\n"), 200);
    assert_int_equal(raw_ask(&alice, "GET /hello HTTP/1.1\r\nHost: a\r\n" WAITS "\r\n"), 200);
}

static void a_refused_client_gets_the_refusal_instead_of_100_continue(void **state) {
    assert_int_equal(raw_ask(&alice, POST_HEAD WAITS "Content-Length: 1001\r\n\r\n"), 413);
    RAW_UNTIL(&alice, alice.eof);
    raw_close(&alice);
    raw_connect(&alice, &rig);
    raw_send_str(&alice, "POST /offer HTTP/1.1\r\nHost: a\r\n" WAITS "Content-Length: 5\r\n\r\n");
    RIG_UNTIL(&rig, rig.offered);
    http_reply(&rig.offered, &(struct http_reply){.status = 401});
    buffer_clear(&alice.in);
    RAW_UNTIL(&alice, raw_answered(&alice));
    assert_int_equal(raw_status(&alice), 401);
}

/* Cookies of 12 KiB, then the longest head, then one byte more. */
static void a_head_may_be_as_long_as_the_setting_says(void **state) {
    static const char before[] = "GET /hello HTTP/1.1\r\nHost: a\r\nCookie: ", after[] = "\r\n\r\n";
    const size_t lens[] = {12000, 16384, 16385};
    for (size_t i = 0; i < 3; i++) {
        struct buffer request = {0};
        buffer_append_str(&request, before);
        while (request.len + strlen(after) < lens[i]) buffer_append_char(&request, 'c');
        buffer_append_slice(&request, SLICE("\r\n\r\n\0"));
        assert_int_equal(raw_ask(&alice, request.ptr), i < 2 ? 200 : 431);
        buffer_done(&request);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define ALONE(name) cmocka_unit_test_setup_teardown(name, start, stop)
        ALONE(an_upgrade_to_an_unknown_protocol_is_ignored),
        ALONE(a_websocket_may_be_offered_among_others_and_in_several_fields),
        ALONE(a_body_may_come_in_chunks),
        ALONE(chunks_may_come_byte_by_byte_up_to_the_limit),
        cmocka_unit_test_setup_teardown(chunks_that_do_not_end_are_answered_at_the_deadline, start_hasty, stop),
        ALONE(a_body_in_chunks_is_read_when_the_head_has_passed),
        ALONE(a_client_that_expects_100_continue_gets_it_at_once),
        ALONE(a_client_that_does_not_expect_100_continue_gets_none),
        ALONE(a_refused_client_gets_the_refusal_instead_of_100_continue),
        ALONE(a_head_may_be_as_long_as_the_setting_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
