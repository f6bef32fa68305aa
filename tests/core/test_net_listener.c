/* SPDX-License-Identifier: Apache-2.0 */
/* Before admission: PROXY headers, and what happens when descriptors run out. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "inside/inside.h"
#include "net/websocket.h"
#include "support/net_tls.h"
/* behind it, for the order of headers */
#include <linux/tcp.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define V2_HEAD "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
#define V2 V2_HEAD "\x0a\0\0\x08\x7f\0\0\x01\x12\x34\0\x50"
#define HELLO "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"

static struct net_settings proxied(void) {
    static const char *const here[] = {"127.0.0.0/8"};
    struct net_settings settings = rig_settings;
    settings.trusted_proxies = here;
    settings.trusted_proxies_len = 1;
    settings.proxy_protocol = true;
    return settings;
}

static void admission_is_asked_for_the_client_not_the_balancer(void **state) {
    struct rig rig;
    struct net_settings settings = proxied();
    rig_start(&rig, &settings);
    static const struct {
        struct slice header;
        const char *address;
    } rows[] = {
        {SLICE("PROXY TCP4 10.0.0.7 127.0.0.1 1 2\r\n"), "10.0.0.7"},
        {SLICE("PROXY TCP6 2001:db8::7 ::1 1 2\r\n"), "2001:db8::7"},
        {SLICE(V2), "10.0.0.8"},
        {SLICE("PROXY TCP6 ::ffff:192.0.2.66 ::1 1 2\r\n"), "192.0.2.66"},
        {SLICE("PROXY UNKNOWN\r\n"), "127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct raw alice;
        raw_connect(&alice, &rig);
        for (size_t at = 0; at < rows[i].header.len; at++) { /* cut at every byte */
            raw_send(&alice, rows[i].header.ptr + at, 1);
            loop_turn(rig.loop);
        }
        assert_int_equal(raw_ask(&alice, HELLO), 200);
        assert_string_equal(rig.address, rows[i].address);
        raw_close(&alice);
    }
    rig_stop(&rig);
}

static void the_header_comes_before_tls(void **state) {
    struct rig rig;
    struct raw alice;
    struct rig_tls tls;
    int result = 0;
    rig_tls_init(&tls, "stoa.test");
    tls.settings.trusted_proxies = (const char *const[]){"127.0.0.1"};
    tls.settings.trusted_proxies_len = 1;
    tls.settings.proxy_protocol = true;
    rig_start(&rig, &tls.settings);
    raw_prepare_tls(&alice, &rig, 0, NULL);
    assert_int_equal(send(alice.fd, V2, sizeof V2 - 1, 0), sizeof V2 - 1);
    RIG_UNTIL(&rig, (result = raw_handshake(&alice)) != 0);
    assert_int_equal(result, 1);
    assert_int_equal(raw_ask(&alice, HELLO), 200);
    assert_string_equal(rig.address, "10.0.0.8");
    raw_close(&alice);
    rig_stop(&rig);
    rig_tls_done(&tls);
}

static void connections_without_a_correct_header_are_refused(void **state) {
    struct rig rig;
    struct net_settings settings = proxied();
    rig_start(&rig, &settings);
    static const struct slice rows[] = {
        SLICE(HELLO),
        SLICE("PROXY TCP4 10.0.0.777 127.0.0.1 1 2\r\n" HELLO),
        SLICE("\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"),
        SLICE("\r\n\r\n\0\r\nQUIT\n\x21\x31\0\x04zzzz"),
        SLICE("PROXY TCP4 10."), /* and no more: at the deadline */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct raw mallory;
        int64_t rejected = metric_get(METRIC_REJECTED, NULL);
        raw_connect(&mallory, &rig);
        raw_send(&mallory, rows[i].ptr, rows[i].len);
        RAW_UNTIL(&mallory, mallory.eof);
        assert_int_equal(metric_get(METRIC_REJECTED, NULL), rejected + 1);
        raw_close(&mallory);
    }
    assert_int_equal(rig.requests, 0);
    assert_string_equal(rig.address, "");
    rig_stop(&rig);
}

static void a_header_from_an_untrusted_peer_is_a_bad_request(void **state) {
    struct rig rig;
    struct raw mallory;
    rig_start(&rig, &rig_settings);
    raw_connect(&mallory, &rig);
    assert_int_equal(raw_ask(&mallory, "PROXY TCP4 10.0.0.7 127.0.0.1 1 2\r\n" HELLO), 400);
    assert_string_equal(rig.address, "127.0.0.1");
    assert_int_equal(rig.requests, 0);
    raw_close(&mallory);
    rig_stop(&rig);
}

static void only_trusted_proxies_send_a_proxy_header(void **state) {
    static const char *const elsewhere[] = {"192.0.2.0/24", "2001:db8::/32"};
    struct rig rig;
    struct net_settings settings = proxied();
    settings.trusted_proxies = elsewhere;
    settings.trusted_proxies_len = 2;
    rig_start(&rig, &settings);
    static const struct slice rows[] = {SLICE("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" HELLO), SLICE(V2 HELLO)};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct raw mallory;
        raw_connect(&mallory, &rig);
        raw_send(&mallory, rows[i].ptr, rows[i].len);
        RAW_UNTIL(&mallory, mallory.eof);
        assert_int_equal(raw_status(&mallory), 400);
        assert_string_equal(rig.address, "127.0.0.1");
        raw_close(&mallory);
    }
    assert_int_equal(rig.requests, 0);
    struct raw alice;
    raw_connect(&alice, &rig);
    assert_int_equal(raw_ask(&alice, HELLO), 200);
    raw_close(&alice);
    rig_stop(&rig);
}

static void tell_address(void *owner, struct http_request *request) {
    struct http_reply reply = {.status = 200, .body = slice_of(request->address)};
    http_reply(&request->exchange, &reply);
}

static void asks(struct raw *client, const char *field, int status, const char *address) {
    char request[256];
    snprintf(request, sizeof request, "GET /hello HTTP/1.1\r\nHost: a\r\n%s\r\n", field);
    assert_int_equal(raw_ask(client, request), status);
    if (address) assert_string_equal(strstr(client->in.ptr, "\r\n\r\n") + 4, address);
}

/* Each request of a connection has a client of its own. */
static void a_trusted_proxy_names_the_client_of_each_request(void **state) {
    struct rig rig;
    struct raw proxy;
    struct net_settings settings = proxied();
    settings.proxy_protocol = false;
    rig_start(&rig, &settings);
    rig.serve = tell_address;
    raw_connect(&proxy, &rig);
    asks(&proxy, "X-Forwarded-For: 127.0.0.1, 192.0.2.7\r\n", 200, "192.0.2.7");
    asks(&proxy, "X-Forwarded-For: ::ffff:192.0.2.8\r\n", 200, "192.0.2.8");
    asks(&proxy, "", 200, "127.0.0.1");
    asks(&proxy, "X-Forwarded-For: nobody\r\n", 400, NULL);
    raw_close(&proxy);
    rig_stop(&rig);
}

static void a_balancer_may_speak_for_a_proxy_that_is_trusted_too(void **state) {
    static const char *const both[] = {"127.0.0.1", "10.0.0.0/8"};
    struct rig rig;
    struct raw balancer;
    struct net_settings settings = proxied();
    settings.trusted_proxies = both;
    settings.trusted_proxies_len = 2;
    rig_start(&rig, &settings);
    rig.serve = tell_address;
    raw_connect(&balancer, &rig);
    raw_send_str(&balancer, "PROXY TCP4 10.0.0.7 127.0.0.1 1 2\r\n");
    asks(&balancer, "X-Forwarded-For: 192.0.2.7\r\n", 200, "192.0.2.7");
    raw_close(&balancer);
    raw_connect(&balancer, &rig);
    raw_send_str(&balancer, "PROXY TCP4 192.0.2.9 127.0.0.1 1 2\r\n");
    asks(&balancer, "X-Forwarded-For: 192.0.2.7\r\n", 200, "192.0.2.9");
    raw_close(&balancer);
    rig_stop(&rig);
}

static void only_the_longest_idle_connection_gives_its_seat(void **state) {
    struct rig rig;
    struct raw alice, bob, carol, dave, erin, frank, grace;
    rig_start(&rig, &rig_settings);
    rig.seats = admission_new(rig.loop, &(struct admission_settings){.connections = 4});
    struct raw *const all[] = {&alice, &bob, &carol, &dave};
    for (int i = 0; i < 4; i++) raw_connect(all[i], &rig);
    raw_upgrade(&alice, "");
    raw_send_str(&bob, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(raw_ask(&carol, HELLO), 200); /* idle, and dave has said nothing yet */
    RIG_UNTIL(&rig, rig.waiting && net_server_connections(rig.server) == 4);
    raw_connect(&erin, &rig);
    RAW_UNTIL(&dave, dave.eof);
    raw_connect(&frank, &rig);
    RAW_UNTIL(&carol, carol.eof);
    raw_connect(&grace, &rig);
    RAW_UNTIL(&erin, erin.eof);
    assert_int_equal(net_server_connections(rig.server), 4);
    assert_int_equal(admission_seats(rig.seats), 4);
    raw_frame(&alice, 0x81, true, SLICE("hello"));
    assert_true(slice_is(raw_next_frame(&alice).payload, "hello"));
    http_reply(&rig.waiting, &(struct http_reply){.status = 200});
    RAW_UNTIL(&bob, raw_answered(&bob));
    assert_int_equal(raw_status(&bob), 200);
    for (int i = 0; i < 4; i++) raw_close(all[i]);
    raw_close(&erin);
    raw_close(&frank);
    raw_close(&grace);
    struct admission_control *seats = rig.seats;
    rig_stop(&rig);
    admission_free(&seats);
}

static void a_client_without_a_seat_is_told_so_through_the_proxy(void **state) {
    struct rig rig;
    struct raw proxy;
    struct net_settings settings = proxied();
    settings.proxy_protocol = false;
    rig_start(&rig, &settings);
    raw_connect(&proxy, &rig);
    assert_int_equal(raw_ask(&proxy, HELLO), 200);
    rig.full = true;
    asks(&proxy, "X-Forwarded-For: 192.0.2.7\r\n", 503, NULL);
    assert_non_null(strstr(proxy.in.ptr, "retry-after: 3"));
    raw_close(&proxy);
    rig_stop(&rig);
}

/* In its own child process, which lowers its limit of descriptors. */
static int run_out_of_descriptors(void) {
    struct rig rig;
    struct raw alice, crowd[64];
    rig_start(&rig, &rig_settings);
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    struct conn *alices = rig.conn;
    for (int i = 0; i < 64; i++) raw_connect(&crowd[i], &rig); /* the queue is long enough */
    int next = dup(alice.fd);                                  /* the lowest that is free */
    close(next);
    struct rlimit few = {(rlim_t)next + 9, (rlim_t)next + 9};
    if (setrlimit(RLIMIT_NOFILE, &few) != 0) return 2;
    int64_t rejected = metric_get(METRIC_REJECTED, "descriptors");
    RIG_UNTIL(&rig, metric_get(METRIC_REJECTED, "descriptors") > rejected + 2);

    int64_t until = rig_now_ms() + 300;
    unsigned turns = 0;
    while (rig_now_ms() < until) {
        if (loop_turn(rig.loop)) turns++;
        poll(NULL, 0, 1); /* count turns during this time */
    }
    if (turns > 100) return 3; /* the queue keeps the loop awake */

    rig.conn = alices;
    raw_frame(&alice, 0x81, true, SLICE("hello"));
    struct raw_frame frame = raw_next_frame(&alice);
    return slice_is(frame.payload, "hello") ? 0 : 4;
}

static void without_descriptors_open_connections_are_served_and_the_loop_sleeps(void **state) {
    int status;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(run_out_of_descriptors());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void messages_sent_on_opening_share_a_packet_with_the_answer(void **state) {
    struct rig rig;
    struct raw alice;
    struct tcp_info info;
    socklen_t len = sizeof info;
    rig_start(&rig, &rig_settings);
    rig.greets = true;
    raw_connect(&alice, &rig);
    raw_upgrade(&alice, "");
    struct raw_frame frame = raw_next_frame(&alice);
    assert_memory_equal(frame.payload.ptr, "hello", 5);
    assert_int_equal(getsockopt(alice.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_int_equal(info.tcpi_data_segs_in, 1);
    raw_next(&alice, &frame);
    websocket_write(rig.conn, SLICE("\x81\x05later")); /* from then on writes are not held back */
    frame = raw_next_frame(&alice);
    assert_memory_equal(frame.payload.ptr, "later", 5);
    raw_close(&alice);
    rig_stop(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_sent_on_opening_share_a_packet_with_the_answer),
        cmocka_unit_test(admission_is_asked_for_the_client_not_the_balancer),
        cmocka_unit_test(the_header_comes_before_tls),
        cmocka_unit_test(connections_without_a_correct_header_are_refused),
        cmocka_unit_test(a_header_from_an_untrusted_peer_is_a_bad_request),
        cmocka_unit_test(only_trusted_proxies_send_a_proxy_header),
        cmocka_unit_test(a_trusted_proxy_names_the_client_of_each_request),
        cmocka_unit_test(a_balancer_may_speak_for_a_proxy_that_is_trusted_too),
        cmocka_unit_test(only_the_longest_idle_connection_gives_its_seat),
        cmocka_unit_test(a_client_without_a_seat_is_told_so_through_the_proxy),
        cmocka_unit_test(without_descriptors_open_connections_are_served_and_the_loop_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
