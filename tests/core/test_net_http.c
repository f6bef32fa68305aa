#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "support/net_rig.h"

static void a_request_is_answered_and_the_connection_kept(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(raw_ask(&alice, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
        assert_non_null(strstr(alice.in.ptr, "\r\n\r\nhello"));
        assert_int_equal(raw_ask(&alice, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345"), 200);
        assert_non_null(strstr(alice.in.ptr, "\r\n\r\n12345"));
        assert_int_equal(raw_ask(&alice, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), 200);
    }
    assert_int_equal(rig.requests, 9);
    raw_close(&alice);
    rig_stop(&rig);
}

static void an_answer_may_come_later(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    for (int i = 0; i < 2; i++) {
        raw_send_str(&alice, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
        RIG_UNTIL(&rig, rig.waiting);
        /* longer than the head's deadline: a waiting client is not slow */
        int64_t until = rig_now_ms() + (i == 0 ? 1300 : 0);
        RIG_UNTIL(&rig, rig_now_ms() >= until);
        http_reply(&rig.waiting, &(struct http_reply){.status = 200, .body = SLICE("late")});
        buffer_clear(&alice.in);
        RAW_UNTIL(&alice, raw_answered(&alice));
        assert_non_null(strstr(alice.in.ptr, "\r\n\r\nlate"));
    }
    assert_int_equal(raw_ask(&alice, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    raw_close(&alice);
    rig_stop(&rig);
}

static void the_owner_hears_when_a_waiting_client_leaves(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_send_str(&alice, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&rig, rig.waiting);
    raw_close(&alice);
    RIG_UNTIL(&rig, rig.aborted == 1);
    RIG_UNTIL(&rig, net_server_connections(rig.server) == 0);
    rig_stop(&rig);
}

static void a_body_over_the_limit_is_refused_before_it_is_read(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    assert_int_equal(raw_ask(&alice, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"), 413);
    assert_int_equal(rig.requests, 0);
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_query_arrives_with_its_escapes(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    assert_int_equal(raw_ask(&alice, "GET /query?EIO=4&a=x%26y%25zz&t=N8hyd6w HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    assert_non_null(strstr(alice.in.ptr, "\r\n\r\nEIO=4&a=x%26y%25zz&t=N8hyd6w"));
    raw_close(&alice);
    rig_stop(&rig);
}

static void who_is_not_admitted_hears_when_to_come_back(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    rig.admission = ADMIT_REFUSE;
    raw_connect(&alice, &rig);
    RAW_UNTIL(&alice, alice.eof);
    assert_int_equal(raw_status(&alice), 503);
    assert_non_null(strstr(alice.in.ptr, "Retry-After: 3\r\n"));
    assert_int_equal(net_server_connections(rig.server), 0);
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_head_that_does_not_end_is_closed_at_its_deadline(void **state) {
    struct rig rig;
    struct raw alice, bob;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_send_str(&alice, "GET /hello HTTP/1.1\r\nHo");
    int64_t start = rig_now_ms();
    raw_connect(&bob, &rig);
    assert_int_equal(raw_ask(&bob, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    RAW_UNTIL(&alice, alice.eof);
    assert_in_range(rig_now_ms() - start, 900, 3000);
    raw_close(&alice);
    raw_close(&bob);
    rig_stop(&rig);
}

static void a_body_that_does_not_end_is_closed_at_its_deadline(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_send_str(&alice, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    RAW_UNTIL(&alice, alice.eof);
    assert_int_equal(rig.requests, 0);
    raw_close(&alice);
    rig_stop(&rig);
}

/* Rows 5 to 11, 17, 18, 21 of the attack table: whatever is answered, nothing is upgraded, no request is served, one
 * counter rises, and the next client is served. */
static const struct attack {
    const char *name, *request;
    int status; /* as recorded; 0: closed without an answer */
} attacks[] = {
    {"two origins", UPGRADE_HEAD "Origin: http://a\r\nOrigin: http://b\r\n\r\n", 400},
    {"length and transfer encoding",
     "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", 400},
    {"two lengths", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400},
    {"length +5", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde", 400},
    {"length 5,5", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5\r\n\r\nabcde", 400},
    {"length 0x5", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nabcde", 400},
    {"length 2^64", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\nabcde", 400},
    {"xchunked", "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
    {"no length", "POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", 411},
    {"version 8",
     "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
     426},
    {"no key",
     "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
     "13\r\n\r\n",
     400},
    {"short key",
     "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n\r\n",
     400},
    {"two keys", UPGRADE_HEAD "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 400},
    {"upgrade over HTTP/1.0",
     "GET /socket HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
     400},
    {"upgrade by POST",
     "POST /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0\r\n\r\n",
     400},
    {"upgrade with a body", UPGRADE_HEAD "Content-Length: 4\r\n\r\nabcd", 400},
    {"h2c upgrade",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
     "AAMAAABk\r\n\r\n",
     400},
};

static void run_attack(const struct attack *attack, bool second) {
    struct rig rig;
    struct raw mallory, bob;
    rig_start(&rig, &rig_settings);
    raw_connect(&mallory, &rig);
    if (second) assert_int_equal(raw_ask(&mallory, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    unsigned served = rig.requests;
    int64_t rejected = metric_get(METRIC_REJECTED, NULL);
    int status = raw_ask(&mallory, attack->request);
    if (status != attack->status) fail_msg("%s: answered %d", attack->name, status);
    RAW_UNTIL(&mallory, mallory.eof);
    if (rig.requests != served || rig.opened) fail_msg("%s: was served", attack->name);
    if (metric_get(METRIC_REJECTED, NULL) != rejected + 1) fail_msg("%s: not counted once", attack->name);
    raw_connect(&bob, &rig);
    assert_int_equal(raw_ask(&bob, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    raw_close(&mallory);
    raw_close(&bob);
    rig_stop(&rig);
}

static void malformed_requests_serve_nothing_and_disturb_nobody(void **state) {
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        run_attack(&attacks[i], false);
        run_attack(&attacks[i], true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_and_the_connection_kept),
        cmocka_unit_test(an_answer_may_come_later),
        cmocka_unit_test(the_owner_hears_when_a_waiting_client_leaves),
        cmocka_unit_test(a_body_over_the_limit_is_refused_before_it_is_read),
        cmocka_unit_test(a_query_arrives_with_its_escapes),
        cmocka_unit_test(who_is_not_admitted_hears_when_to_come_back),
        cmocka_unit_test(a_head_that_does_not_end_is_closed_at_its_deadline),
        cmocka_unit_test(a_body_that_does_not_end_is_closed_at_its_deadline),
        cmocka_unit_test(malformed_requests_serve_nothing_and_disturb_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
