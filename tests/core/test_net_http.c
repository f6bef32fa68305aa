/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "limit/memory_budget.h"
#include "support/net_rig.h"
#include "support/net_tls.h"

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

static void the_owner_hears_when_a_waiting_connection_breaks(void **state) {
    struct linger at_once = {.l_onoff = 1};
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_send_str(&alice, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&rig, rig.waiting);
    setsockopt(alice.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    raw_close(&alice); /* a reset */
    RIG_UNTIL(&rig, rig.aborted == 1);
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

static void a_client_not_admitted_is_told_when_to_retry(void **state) {
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

/* Single bytes do not extend the deadline. */
#define OFFER "POST /offer HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"

static void offer(struct rig *rig, struct raw *alice) {
    raw_connect(alice, rig);
    raw_send_str(alice, OFFER);
    RIG_UNTIL(rig, rig->offered);
}

static void a_client_refused_by_its_head_need_not_send_a_body(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    offer(&rig, &alice);
    http_reply(&rig.offered, &(struct http_reply){.status = 401});
    RAW_UNTIL(&alice, alice.eof);
    buffer_append_char(&alice.in, '\0');
    assert_int_equal(raw_status(&alice), 401);
    assert_non_null(strstr(alice.in.ptr, "connection: close\r\n"));
    assert_int_equal(rig.requests, 0);
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_body_is_read_when_the_head_has_passed(void **state) {
    struct rig rig;
    struct raw alice;
    static char body[1000];
    rig_start(&rig, &rig_settings);
    memset(body, 1, sizeof body);
    raw_connect(&alice, &rig);
    for (int i = 0; i < 2; i++) {
        raw_send_str(&alice, OFFER);
        raw_send(&alice, body, 500);
        RIG_UNTIL(&rig, rig.offered);
        http_read_body(rig.offered, rig_whole);
        raw_send(&alice, body + 500, 500);
        buffer_clear(&alice.in);
        RAW_UNTIL(&alice, raw_answered(&alice));
        assert_int_equal(raw_status(&alice), 200);
        assert_memory_equal(alice.in.ptr + alice.in.len - sizeof body, body, sizeof body);
    }
    assert_int_equal(rig.aborted, 0);
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_missing_body_is_answered_at_the_deadline(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    offer(&rig, &alice);
    http_read_body(rig.offered, rig_whole);
    RAW_UNTIL(&alice, alice.eof);
    assert_int_equal(raw_status(&alice), 408);
    assert_int_equal(rig.aborted, 1);
    raw_close(&alice);
    rig_stop(&rig);
}

static void an_owner_hears_of_a_client_that_goes_before_its_body(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    for (unsigned i = 0; i < 3; i++) {
        offer(&rig, &alice);
        if (i == 1) http_read_body(rig.offered, rig_whole);
        if (i == 2) { /* the answer arrives while the body is read */
            http_read_body(rig.offered, rig_whole);
            http_reply(&rig.offered, &(struct http_reply){.status = 503});
            RAW_UNTIL(&alice, alice.eof);
            assert_int_equal(raw_status(&alice), 503);
        }
        raw_close(&alice);
        RIG_UNTIL(&rig, rig.aborted == (i < 2 ? i + 1 : 2) && net_server_connections(rig.server) == 0);
    }
    rig_stop(&rig);
}

static void a_body_that_does_not_end_is_closed_at_its_deadline(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_send_str(&alice, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    int64_t start = rig_now_ms();
    while (!raw_answered(&alice) && rig_now_ms() < start + 5000) {
        int64_t until = rig_now_ms() + 50;
        raw_send(&alice, "x", 1);
        RAW_UNTIL(&alice, rig_now_ms() >= until);
    }
    assert_int_equal(raw_status(&alice), 408);
    assert_in_range(rig_now_ms() - start, 900, 3000);
    assert_int_equal(rig.requests, 0);
    raw_close(&alice);
    rig_stop(&rig);
}

static void bodies_that_never_end_hold_no_more_than_the_budget(void **state) {
    enum { CLIENTS = 8, SENT = 990 };
    static char most[SENT];
    struct rig rig;
    struct raw mallory[CLIENTS], bob;
    struct net_settings settings = rig_settings;
    settings.inbound = memory_budget_new(4096);
    rig_start(&rig, &settings);
    for (int i = 0; i < CLIENTS; i++) {
        raw_connect(&mallory[i], &rig);
        raw_send_str(&mallory[i], "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
        raw_send(&mallory[i], most, sizeof most);
    }
    RAW_UNTIL(&mallory[CLIENTS - 1], raw_answered(&mallory[CLIENTS - 1]));
    assert_int_equal(raw_status(&mallory[CLIENTS - 1]), 503);
    raw_connect(&bob, &rig);
    assert_int_equal(raw_ask(&bob, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345"), 200);
    for (int i = 0; i < CLIENTS; i++) raw_close(&mallory[i]);
    raw_close(&bob);
    rig_stop(&rig);
    memory_budget_free(&settings.inbound);
}

static void serve_much(void *owner, struct http_request *request) {
    enum { BIG = 32 << 20 }; /* more than the kernel takes */
    static char big[BIG];
    http_reply(&request->exchange,
               &(struct http_reply){.status = 200, .content_type = "text/plain", .body = {big, BIG}});
}

static void unread_answers_hold_no_more_than_the_budget(void **state) {
    struct rig rig;
    struct raw mallory, bob;
    struct net_settings settings = rig_settings;
    settings.outbound = memory_budget_new(100000);
    rig_start(&rig, &settings);
    rig.serve = serve_much;
    raw_connect(&mallory, &rig);
    int64_t rejected = metric_get(METRIC_REJECTED, "outbound_budget");
    raw_send_str(&mallory, "GET /much HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&rig, metric_get(METRIC_REJECTED, "outbound_budget") == rejected + 1);
    RIG_UNTIL(&rig, net_server_connections(rig.server) == 0);
    rig.serve = NULL;
    raw_connect(&bob, &rig);
    assert_int_equal(raw_ask(&bob, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    raw_close(&mallory);
    raw_close(&bob);
    rig_stop(&rig);
    memory_budget_free(&settings.outbound);
}

/* Alice's request waits for its answer while more requests of the connection wait than the budget has room for. */
static void input_after_a_request_is_cut_without_touching_its_answer(void **state) {
    static char behind[1500]; /* with the request it is read at once */
    struct rig rig;
    struct raw alice, bob;
    struct net_settings settings = rig_settings;
    memset(behind, 'x', sizeof behind);
    for (int alone = 0; alone < 2; alone++) {
        settings.inbound = memory_budget_new(alone ? sizeof behind - 1 : sizeof behind + 500);
        rig_start(&rig, &settings);
        raw_connect(&alice, &rig);
        struct buffer sent = {0};
        buffer_append_str(&sent, "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none");
        buffer_append(&sent, behind, sizeof behind);
        raw_send(&alice, sent.ptr, sent.len);
        RIG_UNTIL(&rig, rig.waiting);
        int64_t rejected = metric_get(METRIC_REJECTED, "inbound_budget");
        if (!alone) {
            raw_connect(&bob, &rig);
            raw_send_str(&bob, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
            raw_send(&bob, behind, 900);
            RIG_UNTIL(&rig, metric_get(METRIC_REJECTED, "inbound_budget") == rejected + 1);
            raw_send(&bob, behind, 100);
            RAW_UNTIL(&bob, raw_answered(&bob));
            assert_int_equal(raw_status(&bob), 200);
            raw_close(&bob);
        }
        assert_int_equal(alice.in.len, 0);
        assert_non_null(rig.waiting);
        http_reply(&rig.waiting, &(struct http_reply){.status = 200, .body = SLICE("late")});
        RAW_UNTIL(&alice, alice.eof);
        assert_int_equal(raw_status(&alice), 200);
        assert_memory_equal(alice.in.ptr + alice.in.len - 8, "\r\n\r\nlate", 8); /* and nothing after it */
        assert_int_equal(rig.requests, alone ? 1 : 2);
        buffer_done(&sent);
        raw_close(&alice);
        rig_stop(&rig);
        memory_budget_free(&settings.inbound);
    }
}

#define SMUGGLED "GET /hello HTTP/1.1\r\nHost: smuggled\r\n\r\n"
#define POST_HEAD "POST /echo HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define GET_HEAD "GET /hello HTTP/1.1\r\nHost: a\r\n"
#define HANDSHAKE(version, key) \
    "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" version key "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* Attacks on requests (docs/security.md): nothing is upgraded, no request is served, not the one that may hide
 * behind it either; one counter rises; the connection ends; the next client is served. */
static const struct attack {
    const char *name, *request;
    int status;
} attacks[] = {
    {"two origins", UPGRADE_HEAD "Origin: http://a\r\nOrigin: http://b\r\n\r\n", 400},
    {"length and transfer encoding", POST_HEAD "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc" SMUGGLED,
     400},
    {"two lengths", POST_HEAD "Content-Length: 3\r\nContent-Length: 43\r\n\r\nabc" SMUGGLED, 400},
    {"one length twice", POST_HEAD "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" SMUGGLED, 400},
    {"length +5", POST_HEAD "Content-Length: +5\r\n\r\nabcde" SMUGGLED, 400},
    {"length 5,5", POST_HEAD "Content-Length: 5,5\r\n\r\nabcde" SMUGGLED, 400},
    {"length 0x5", POST_HEAD "Content-Length: 0x5\r\n\r\nabcde" SMUGGLED, 400},
    {"length 2^64", POST_HEAD "Content-Length: 18446744073709551616\r\n\r\nabcde" SMUGGLED, 400},
    {"length 2^62", POST_HEAD "Content-Length: 4611686018427387904\r\n\r\nabcde" SMUGGLED, 400},
    {"chunked in HTTP/1.0", "POST /echo HTTP/1.0\r\nHost: a\r\n" CHUNKED "0\r\n\r\n" SMUGGLED, 400},
    {"transfer encoding and length",
     POST_HEAD "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"chunked twice", POST_HEAD "Transfer-Encoding: chunked\r\n" CHUNKED "0\r\n\r\n" SMUGGLED, 400},
    {"chunk size of 17 digits", POST_HEAD CHUNKED "11111111111111111\r\nabc" SMUGGLED, 400},
    {"chunk size 0x3", POST_HEAD CHUNKED "0x3\r\nabc\r\n0\r\n\r\n" SMUGGLED, 400},
    {"chunk size behind a space", POST_HEAD CHUNKED " 3\r\nabc\r\n0\r\n\r\n" SMUGGLED, 400},
    {"bare LF behind a chunk size", POST_HEAD CHUNKED "3\nabc\r\n0\r\n\r\n" SMUGGLED, 400},
    {"bare LF in a chunk extension", POST_HEAD CHUNKED "3;\nabc\r\n0\r\n\r\n" SMUGGLED, 400},
    {"bare CR behind a chunk", POST_HEAD CHUNKED "3\r\nabc\r0\r\n\r\n" SMUGGLED, 400},
    {"a chunk longer than its size", POST_HEAD CHUNKED "3\r\nabcd\r\n0\r\n\r\n" SMUGGLED, 400},
    {"a trailer that is a request", POST_HEAD CHUNKED "0\r\n" SMUGGLED, 400},
    {"a folded trailer", POST_HEAD CHUNKED "0\r\nA: b\r\n c\r\n\r\n" SMUGGLED, 400},
    {"a chunk over the limit", POST_HEAD CHUNKED "3e9\r\n" SMUGGLED, 413},
    {"chunks over the limit", POST_HEAD CHUNKED "3\r\nabc\r\n3e6\r\n" SMUGGLED, 413},
    {"xchunked", POST_HEAD "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"chunked, identity", POST_HEAD "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" SMUGGLED, 400},
    {"space before the colon", GET_HEAD "Transfer-Encoding : chunked\r\n\r\n" SMUGGLED, 400},
    {"tab before the colon", GET_HEAD "Content-Length\t: 41\r\n\r\n" SMUGGLED, 400},
    {"a length behind a folded line", GET_HEAD "X: y\r\n folded\r\nContent-Length: 41\r\n\r\n" SMUGGLED, 400},
    {"a length behind a line without colon", GET_HEAD "foo\r\nContent-Length: 41\r\n\r\n" SMUGGLED, 400},
    {"a length behind a bare CR", GET_HEAD "X: y\rContent-Length: 41\r\n\r\n" SMUGGLED, 400},
    {"bare LF", "GET /hello HTTP/1.1\nHost: a\n\n" SMUGGLED, 400},
    {"two hosts", GET_HEAD "Host: b\r\n\r\n" SMUGGLED, 400},
    {"no host", "GET /hello HTTP/1.1\r\nX: y\r\n\r\n" SMUGGLED, 400},
    {"another host in the target", "GET http://evil.example/hello HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 400},
    {"PROXY header that is not expected", "PROXY TCP4 10.0.0.7 127.0.0.1 1 2\r\n" SMUGGLED, 400},
    {"CONNECT", "CONNECT evil.example:80 HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 501},
    {"HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" SMUGGLED, 505},
    {"no length", POST_HEAD "\r\n" SMUGGLED, 411},
    {"escaped NUL", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n" SMUGGLED, 400},
    {"version 8", HANDSHAKE("Sec-WebSocket-Version: 8\r\n", KEY), 426},
    {"no version", HANDSHAKE("", KEY), 426},
    {"no key", HANDSHAKE(VERSION, ""), 400},
    {"key of 15 bytes", HANDSHAKE(VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n"), 400},
    {"key that is no base64", HANDSHAKE(VERSION, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ*==\r\n"), 400},
    {"two keys", HANDSHAKE(VERSION, KEY KEY), 400},
    {"extensions that are none", HANDSHAKE(VERSION, KEY "Sec-WebSocket-Extensions: a;=b\r\n"), 400},
    {"no connection field", "GET /socket HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" VERSION KEY "\r\n", 400},
    {"upgrade over HTTP/1.0",
     "GET /socket HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" VERSION KEY "\r\n", 400},
    {"upgrade by POST",
     "POST /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" VERSION KEY
     "Content-Length: 0\r\n\r\n",
     400},
    {"upgrade with a body", UPGRADE_HEAD "Content-Length: 4\r\n\r\nabcd", 400},
    {"upgrade with chunks", UPGRADE_HEAD CHUNKED "0\r\n\r\n", 400},
};

static void expect_harmless(struct rig *rig, bool tls, bool second, const struct attack *attack) {
    struct raw mallory, bob;
    tls ? raw_connect_tls(&mallory, rig) : raw_connect(&mallory, rig);
    if (second) assert_int_equal(raw_ask(&mallory, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    unsigned served = rig->requests;
    int64_t rejected = metric_get(METRIC_REJECTED, NULL);
    int status = raw_ask(&mallory, attack->request);
    if (status != attack->status) fail_msg("%s: answered %d", attack->name, status);
    raw_send_str(&mallory, SMUGGLED); /* also when it arrives later */
    RAW_UNTIL(&mallory, mallory.eof);
    raw_close(&mallory);
    tls ? raw_connect_tls(&bob, rig) : raw_connect(&bob, rig);
    assert_int_equal(raw_ask(&bob, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    if (rig->requests != served + 1 || rig->opened) fail_msg("%s: was served", attack->name);
    if (metric_get(METRIC_REJECTED, NULL) != rejected + 1) fail_msg("%s: not counted once", attack->name);
    raw_close(&bob);
}

static void run_attacks(const struct net_settings *settings, bool tls, bool second) {
    struct rig rig;
    rig_start(&rig, settings);
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) expect_harmless(&rig, tls, second, &attacks[i]);
    RIG_UNTIL(&rig, net_server_connections(rig.server) == 0);
    rig_stop(&rig);
}

static void malformed_requests_serve_nothing_and_disturb_nobody(void **state) {
    run_attacks(&rig_settings, false, false);
}

static void malformed_second_requests_serve_nothing_and_disturb_nobody(void **state) {
    run_attacks(&rig_settings, false, true);
}

static void malformed_requests_over_tls_serve_nothing_and_disturb_nobody(void **state) {
    struct rig_tls tls;
    rig_tls_init(&tls, "stoa.test");
    run_attacks(&tls.settings, true, false);
    run_attacks(&tls.settings, true, true);
    rig_tls_done(&tls);
}

static void expect_too_long(const char *before, size_t len, const char *after, int status) {
    struct rig rig;
    struct buffer request = {0};
    rig_start(&rig, &rig_settings);
    buffer_append_str(&request, before);
    for (size_t i = 0; i < len; i++) buffer_append_char(&request, ' ' + (status == 414));
    buffer_append_str(&request, after);
    buffer_append_char(&request, '\0');
    struct attack attack = {before, request.ptr, status};
    expect_harmless(&rig, false, false, &attack);
    buffer_done(&request);
    rig_stop(&rig);
}

static void heads_that_are_too_long_are_refused(void **state) {
    expect_too_long("GET /", 65536, " HTTP/1.1\r\nHost: a\r\n\r\n", 414);
    expect_too_long(GET_HEAD "X:", 17000, "y\r\n\r\n", 431);
    expect_too_long(UPGRADE_HEAD "Sec-WebSocket-Protocol: a", 32000, "b\r\n\r\n", 431);
    expect_too_long(UPGRADE_HEAD "Sec-WebSocket-Extensions: a", 32000, "b\r\n\r\n", 431);
    struct buffer fields = {0};
    for (int i = 0; i < 110; i++) buffer_append_str(&fields, "A: b\r\n");
    buffer_append_char(&fields, '\0');
    expect_too_long(GET_HEAD, 0, fields.ptr, 431);
    buffer_done(&fields);
}

static void requests_that_come_at_once_are_answered_in_order(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_send_str(&alice, POST_HEAD "Content-Length: 3\r\n\r\none" POST_HEAD "Content-Length: 3\r\n\r\ntwo" POST_HEAD
                                   "Connection: close\r\nContent-Length: 5\r\n\r\nthree");
    RAW_UNTIL(&alice, alice.eof);
    buffer_append_char(&alice.in, '\0');
    const char *one = strstr(alice.in.ptr, "\r\n\r\none"), *two = one ? strstr(one, "\r\n\r\ntwo") : NULL;
    assert_non_null(two);
    assert_non_null(strstr(two, "\r\n\r\nthree"));
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_head_may_come_byte_by_byte(void **state) {
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    for (int i = 0; i < 2; i++) {
        buffer_clear(&alice.in);
        for (const char *at = POST_HEAD "Content-Length: 2\r\n\r\nhi"; *at; at++) {
            raw_send(&alice, at, 1);
            loop_turn(rig.loop);
        }
        RAW_UNTIL(&alice, raw_answered(&alice));
        assert_int_equal(raw_status(&alice), 200);
        assert_non_null(strstr(alice.in.ptr, "\r\n\r\nhi"));
    }
    raw_close(&alice);
    rig_stop(&rig);
}

static void a_malformed_head_is_refused_alike_wherever_it_is_cut(void **state) {
    static const char head[] = "HEAD /hello HTTP/1.1\r\nHost: a\r\nno field\r\n\r\n";
    struct rig rig;
    struct raw alice;
    rig_start(&rig, &rig_settings);
    for (size_t cut = 1; cut < sizeof head - 1; cut++) {
        raw_connect(&alice, &rig);
        raw_send(&alice, head, cut);
        RIG_UNTIL(&rig, net_server_connections(rig.server) == 1);
        while (loop_turn(rig.loop)) continue;
        raw_send_str(&alice, head + cut);
        RAW_UNTIL(&alice, alice.eof);
        assert_int_equal(raw_status(&alice), 400);
        buffer_append_char(&alice.in, '\0');
        assert_non_null(strstr(alice.in.ptr, "x-path: /hello\r\n"));
        raw_close(&alice);
        RIG_UNTIL(&rig, net_server_connections(rig.server) == 0);
    }
    assert_int_equal(rig.requests, 0);
    rig_stop(&rig);
}

static void an_unread_answer_is_cut_at_its_deadline(void **state) {
    struct rig rig;
    struct raw mallory;
    static char big[32 << 20];
    rig_start(&rig, &rig_settings);
    raw_connect(&mallory, &rig);
    raw_send_str(&mallory, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    RIG_UNTIL(&rig, rig.waiting);
    http_reply(&rig.waiting, &(struct http_reply){.status = 200, .body = {big, sizeof big}});
    int64_t start = rig_now_ms();
    RIG_UNTIL(&rig, net_server_connections(rig.server) == 0);
    assert_in_range(rig_now_ms() - start, 900, 3000);
    raw_close(&mallory);
    rig_stop(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_answered_and_the_connection_kept),
        cmocka_unit_test(an_answer_may_come_later),
        cmocka_unit_test(the_owner_hears_when_a_waiting_client_leaves),
        cmocka_unit_test(the_owner_hears_when_a_waiting_connection_breaks),
        cmocka_unit_test(a_body_over_the_limit_is_refused_before_it_is_read),
        cmocka_unit_test(a_query_arrives_with_its_escapes),
        cmocka_unit_test(a_client_not_admitted_is_told_when_to_retry),
        cmocka_unit_test(a_head_that_does_not_end_is_closed_at_its_deadline),
        cmocka_unit_test(a_body_that_does_not_end_is_closed_at_its_deadline),
        cmocka_unit_test(unread_answers_hold_no_more_than_the_budget),
        cmocka_unit_test(bodies_that_never_end_hold_no_more_than_the_budget),
        cmocka_unit_test(input_after_a_request_is_cut_without_touching_its_answer),
        cmocka_unit_test(malformed_requests_serve_nothing_and_disturb_nobody),
        cmocka_unit_test(malformed_second_requests_serve_nothing_and_disturb_nobody),
        cmocka_unit_test(malformed_requests_over_tls_serve_nothing_and_disturb_nobody),
        cmocka_unit_test(heads_that_are_too_long_are_refused),
        cmocka_unit_test(requests_that_come_at_once_are_answered_in_order),
        cmocka_unit_test(a_head_may_come_byte_by_byte),
        cmocka_unit_test(a_malformed_head_is_refused_alike_wherever_it_is_cut),
        cmocka_unit_test(a_client_refused_by_its_head_need_not_send_a_body),
        cmocka_unit_test(a_body_is_read_when_the_head_has_passed),
        cmocka_unit_test(a_missing_body_is_answered_at_the_deadline),
        cmocka_unit_test(an_owner_hears_of_a_client_that_goes_before_its_body),
        cmocka_unit_test(an_unread_answer_is_cut_at_its_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
