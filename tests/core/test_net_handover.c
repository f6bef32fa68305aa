/* SPDX-License-Identifier: Apache-2.0 */
/* Two processes behind one address: alice's connections arrive at this one; a request to the other goes there with the
 * connection, over TLS or not. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "net/handover.h"
#include "support/net_rig.h"
#include "support/net_tls.h"

enum { HERE, THERE };

static struct rig_tls tls;

/* [process][0] is read by it, [process][1] written by the other one. */
struct pair {
    struct rig here;
    int inboxes[2][2];
    pid_t there;
    bool full; /* there */
};

static void tell(struct rig *rig, struct http_request *request, const char *who) {
    char text[64];
    snprintf(text, sizeof text, "%s %u %s %zu", who, net_server_connections(rig->server), request->address,
             request->body.len);
    http_reply(&request->exchange, &(struct http_reply){.status = 200, .body = slice_of(text)});
}

static void serve_here(void *owner, struct http_request *request) {
    tell(owner, request, "here");
}

static void serve_there(void *owner, struct http_request *request) {
    tell(owner, request, request->tls ? "there, secure" : "there");
}

static void run_there(struct pair *pair, const struct net_settings *settings) {
    struct rig rig;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    rig_start(&rig, settings);
    rig.foreign = "/here";
    rig.inbox = pair->inboxes[HERE][1];
    rig.serve = serve_there;
    rig.serve_owner = &rig;
    rig.full = pair->full;
    net_server_open_inbox(rig.server, pair->inboxes[THERE][0]);
    loop_run(rig.loop);
}

static void start(struct pair *pair, const struct net_settings *settings) {
    for (int i = 0; i < 2; i++)
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair->inboxes[i]), 0);
    pair->there = fork();
    if (pair->there == 0) {
        run_there(pair, settings);
        _exit(1);
    }
    rig_start(&pair->here, settings);
    pair->here.foreign = "/there";
    pair->here.inbox = pair->inboxes[THERE][1];
    pair->here.serve = serve_here;
    pair->here.serve_owner = &pair->here;
    pair->here.refuse_upgrades = true;
    net_server_open_inbox(pair->here.server, pair->inboxes[HERE][0]);
}

static void kill_there(struct pair *pair) {
    if (!pair->there) return;
    kill(pair->there, SIGKILL);
    assert_int_equal(waitpid(pair->there, NULL, 0), pair->there);
    pair->there = 0;
}

static void stop(struct pair *pair) {
    kill_there(pair);
    rig_stop(&pair->here);
    for (int i = 0; i < 4; i++) close(pair->inboxes[i / 2][i % 2]);
}

static void connect_to(struct raw *raw, struct pair *pair, bool secure) {
    if (secure)
        raw_connect_tls(raw, &pair->here);
    else
        raw_connect(raw, &pair->here);
}

static void expect(struct raw *client, const char *request, const char *answer) {
    assert_int_equal(raw_ask(client, request), 200);
    if (!strstr(client->in.ptr, answer)) fail_msg("%s is not in %s", answer, client->in.ptr);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST(path) "POST " path " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345"
#define UPGRADE_THERE                                                                         \
    "GET /there HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static void a_request_goes_to_its_process_and_the_connection_stays_there(void **state) {
    struct pair pair = {0};
    struct raw alice;
    start(&pair, &rig_settings);
    raw_connect(&alice, &pair.here);
    expect(&alice, GET("/mine"), "here 1 127.0.0.1 0");
    expect(&alice, POST("/there"), "there 1 127.0.0.1 5");
    assert_int_equal(net_server_connections(pair.here.server), 0);
    expect(&alice, GET("/mine"), "there 1");
    expect(&alice, POST("/there"), "there 1 127.0.0.1 5");
    expect(&alice, GET("/here"), "here 1 127.0.0.1");
    expect(&alice, GET("/there"), "there 1");
    raw_close(&alice);
    raw_connect(&alice, &pair.here);
    RAW_UNTIL(&alice, raw_ask(&alice, GET("/there")) == 200 && strstr(alice.in.ptr, "there 1 "));
    raw_close(&alice);
    stop(&pair);
}

static void over_tls_the_first_process_relays_the_bytes(void **state) {
    struct pair pair = {0};
    struct raw alice;
    start(&pair, &tls.settings);
    raw_connect_tls(&alice, &pair.here);
    expect(&alice, GET("/mine"), "here 1 127.0.0.1 0");
    for (int i = 0; i < 3; i++) expect(&alice, POST("/there"), "there, secure 1 127.0.0.1 5");
    assert_int_equal(net_server_connections(pair.here.server), 1);
    expect(&alice, GET("/here"), "here 2 127.0.0.1"); /* both connections count: the client's and the tunnel's */
    expect(&alice, GET("/there"), "there, secure 1");
    raw_close(&alice);
    RIG_UNTIL(&pair.here, net_server_connections(pair.here.server) == 0);
    raw_connect_tls(&alice, &pair.here);
    RAW_UNTIL(&alice, raw_ask(&alice, GET("/there")) == 200 && strstr(alice.in.ptr, "secure 1 "));
    expect(&alice, "GET /there HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "connection: close");
    RAW_UNTIL(&alice, alice.eof);
    raw_close(&alice);
    stop(&pair);
}

static void send_slowly(struct raw *client, const char *text) {
    buffer_clear(&client->in);
    for (size_t at = 0, len = strlen(text); at < len; at += 7) {
        raw_send(client, text + at, len - at < 7 ? len - at : 7);
        for (int i = 0; i < 3; i++) loop_turn(client->rig->loop);
    }
}

static void a_request_may_come_in_pieces(void **state) {
    for (int secure = 0; secure < 2; secure++) {
        static const char *const requests[] = {GET("/there"), POST("/there")};
        for (int i = 0; i < 2; i++) {
            struct pair pair = {0};
            struct raw alice;
            start(&pair, secure ? &tls.settings : &rig_settings);
            connect_to(&alice, &pair, secure);
            for (int n = 0; n < 2 && !alice.eof; n++) {
                send_slowly(&alice, requests[i]);
                RAW_UNTIL(&alice, raw_answered(&alice));
                assert_int_equal(raw_status(&alice), 200);
                assert_non_null(strstr(alice.in.ptr, "there"));
            }
            raw_close(&alice);
            stop(&pair);
        }
    }
}

static void echoes(struct raw *client) {
    static char big[90000];
    for (size_t len = 1; len <= sizeof big; len = len * 3 + 1) {
        memset(big, (int)len, len);
        raw_frame(client, 0x82, true, (struct slice){big, len});
        struct raw_frame frame = raw_next_frame(client);
        assert_int_equal(frame.payload.len, len);
        assert_memory_equal(frame.payload.ptr, big, len);
        raw_next(client, &frame);
    }
}

static void a_websocket_is_opened_by_its_process(void **state) {
    for (int secure = 0; secure < 2; secure++) {
        struct pair pair = {0};
        struct raw alice;
        start(&pair, secure ? &tls.settings : &rig_settings);
        connect_to(&alice, &pair, secure);
        assert_int_equal(raw_ask(&alice, UPGRADE_THERE), 101);
        buffer_clear(&alice.in);
        echoes(&alice);
        assert_int_equal(net_server_connections(pair.here.server), secure);
        raw_frame(&alice, 0x88, true, SLICE("\x03\xe8"));
        assert_int_equal(raw_close_code(&alice), 1000);
        RAW_UNTIL(&alice, alice.eof);
        raw_close(&alice);
        RIG_UNTIL(&pair.here, net_server_connections(pair.here.server) == 0);
        stop(&pair);
    }
}

static void when_the_process_ends_so_do_its_connections(void **state) {
    for (int secure = 0; secure < 2; secure++) {
        struct pair pair = {0};
        struct raw alice, bob;
        start(&pair, secure ? &tls.settings : &rig_settings);
        connect_to(&alice, &pair, secure);
        connect_to(&bob, &pair, secure);
        expect(&alice, GET("/there"), "there");
        kill(pair.there, SIGSTOP);
        raw_send_str(&bob, GET("/there"));
        RIG_UNTIL(&pair.here, net_server_connections(pair.here.server) == (secure ? 2 : 0));
        kill_there(&pair);
        RAW_UNTIL(&alice, alice.eof);
        handover_discard(pair.inboxes[THERE][0]);
        RAW_UNTIL(&bob, bob.eof);
        raw_close(&alice);
        raw_close(&bob);
        RIG_UNTIL(&pair.here, net_server_connections(pair.here.server) == 0);
        stop(&pair);
    }
}

static void a_full_process_closes_connections_handed_to_it(void **state) {
    for (int secure = 0; secure < 2; secure++) {
        struct pair pair = {.full = true};
        struct raw alice;
        start(&pair, secure ? &tls.settings : &rig_settings);
        connect_to(&alice, &pair, secure);
        assert_int_equal(raw_ask(&alice, GET("/there")), 0);
        assert_true(alice.eof);
        raw_close(&alice);
        RIG_UNTIL(&pair.here, net_server_connections(pair.here.server) == 0);
        stop(&pair);
    }
}

static void a_client_behind_a_balancer_keeps_its_address(void **state) {
    struct pair pair = {0};
    struct net_settings settings = rig_settings;
    struct raw alice;
    settings.trusted_proxies = (const char *const[]){"127.0.0.1"};
    settings.trusted_proxies_len = 1;
    settings.proxy_protocol = true;
    start(&pair, &settings);
    raw_connect(&alice, &pair.here);
    expect(&alice, "PROXY TCP4 192.0.2.7 192.0.2.1 4000 443\r\n" GET("/there"), "there 1 192.0.2.7");
    expect(&alice, GET("/here"), "here 1 192.0.2.7");
    raw_close(&alice);
    stop(&pair);
}

static void the_other_process_knows_the_client_behind_a_proxy(void **state) {
    for (int secure = 0; secure < 2; secure++) {
        struct pair pair = {0};
        struct net_settings settings = secure ? tls.settings : rig_settings;
        struct raw proxy;
        settings.trusted_proxies = (const char *const[]){"127.0.0.1"};
        settings.trusted_proxies_len = 1;
        start(&pair, &settings);
        connect_to(&proxy, &pair, secure);
        expect(&proxy, "GET /there HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n", " 1 192.0.2.7");
        expect(&proxy, "GET /there HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.8\r\n\r\n", " 1 192.0.2.8");
        raw_close(&proxy);
        stop(&pair);
    }
}

static void a_full_inbox_does_not_block_the_sender(void **state) {
    struct pair pair = {0};
    struct raw clients[600];
    int refused = 0, n = 0;
    start(&pair, &rig_settings);
    RIG_UNTIL(&pair.here, net_server_connections(pair.here.server) == 0);
    kill(pair.there, SIGSTOP);
    for (; n < 600 && !refused; n++) {
        raw_connect(&clients[n], &pair.here);
        raw_send_str(&clients[n], GET("/there"));
        for (int i = 0; i < 5; i++) loop_turn(pair.here.loop);
        raw_read(&clients[n]);
        if (raw_answered(&clients[n])) refused = raw_status(&clients[n]);
    }
    assert_int_equal(refused, 503);
    kill(pair.there, SIGCONT);
    RAW_UNTIL(&clients[0], raw_answered(&clients[0]));
    assert_int_equal(raw_status(&clients[0]), 200);
    while (n > 0) raw_close(&clients[--n]);
    stop(&pair);
}

static void a_disconnect_is_seen_through_the_tunnel(void **state) {
    struct pair pair = {0};
    struct raw alice, bob;
    start(&pair, &tls.settings);
    raw_connect_tls(&alice, &pair.here);
    assert_int_equal(raw_ask(&alice, UPGRADE_THERE), 101);
    raw_connect_tls(&bob, &pair.here);
    expect(&bob, GET("/there"), "there, secure 2");
    raw_close(&alice);
    do raw_ask(&bob, GET("/there"));
    while (raw_status(&bob) == 200 && !strstr(bob.in.ptr, "secure 1 "));
    assert_int_equal(raw_status(&bob), 200);
    raw_close(&bob);
    stop(&pair);
}

static int make_certificate(void **state) {
    rig_tls_init(&tls, "stoa.test");
    return 0;
}

static int remove_certificate(void **state) {
    rig_tls_done(&tls);
    return 0;
}

/* While the other process does something else, its inbox holds the requests of many, with what came behind each: so
 * little of that is read before it is known whose it is. */
static void many_clients_with_much_input_are_handed_over(void **state) {
    enum { CROWD = 40, MUCH = 60000 };
    struct pair pair = {0};
    struct raw crowd[CROWD];
    struct buffer all = {0};
    start(&pair, &rig_settings);
    while (all.len < MUCH) buffer_append_str(&all, GET("/there"));
    for (int i = 0; i < CROWD; i++) raw_connect(&crowd[i], &pair.here);
    RIG_UNTIL(&pair.here, net_server_connections(pair.here.server) == CROWD);
    kill(pair.there, SIGSTOP);
    for (int i = 0; i < CROWD; i++) assert_int_equal(send(crowd[i].fd, all.ptr, all.len, 0), all.len);
    RIG_UNTIL(&pair.here, net_server_connections(pair.here.server) == 0);
    kill(pair.there, SIGCONT);
    for (int i = 0; i < CROWD; i++) {
        RAW_UNTIL(&crowd[i], raw_answered(&crowd[i]));
        assert_int_equal(raw_status(&crowd[i]), 200);
        raw_close(&crowd[i]);
    }
    buffer_done(&all);
    stop(&pair);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_to_its_process_and_the_connection_stays_there),
        cmocka_unit_test(over_tls_the_first_process_relays_the_bytes),
        cmocka_unit_test(a_request_may_come_in_pieces),
        cmocka_unit_test(a_websocket_is_opened_by_its_process),
        cmocka_unit_test(when_the_process_ends_so_do_its_connections),
        cmocka_unit_test(a_full_process_closes_connections_handed_to_it),
        cmocka_unit_test(many_clients_with_much_input_are_handed_over),
        cmocka_unit_test(a_client_behind_a_balancer_keeps_its_address),
        cmocka_unit_test(the_other_process_knows_the_client_behind_a_proxy),
        cmocka_unit_test(a_full_inbox_does_not_block_the_sender),
        cmocka_unit_test(a_disconnect_is_seen_through_the_tunnel),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
