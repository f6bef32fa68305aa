/* SPDX-License-Identifier: Apache-2.0 */
/* Outgoing WebSocket connections, to this server and to ones that misbehave. */
#include <netinet/in.h>
#include <uv.h>

#include "loop/loop_internal.h"
#include "loop/loop_uv.h"
#include "net/dial.h"
#include "net/websocket.h"
#include "support/net_tls.h"

static struct rig rig;
static struct rig_tls tls;
static struct dialer *dialer;

/* The caller, and the callbacks that it got. */
struct caller {
    struct dial *dial;
    unsigned opened, received, drained, closed;
    enum dial_end end;
    uint16_t code;
    char reason[128];
};

static void on_opened(void *owner) {
    ((struct caller *)owner)->opened++;
}
static void on_received(void *owner) {
    ((struct caller *)owner)->received++;
}
static void on_drained(void *owner) {
    ((struct caller *)owner)->drained++;
}
static void on_closed(void *owner, enum dial_end end, uint16_t code, struct slice reason) {
    struct caller *caller = owner;
    caller->closed++;
    caller->end = end;
    caller->code = code;
    snprintf(caller->reason, sizeof caller->reason, "%.*s", SLICE_ARG(reason));
    caller->dial = NULL;
}
static const struct dial_events events = {on_opened, on_received, on_drained, on_closed};

static const struct dial_settings usual = {.timeout_ms = 5000, .max_message_bytes = 1 << 20, .queue_bytes = 65536};

static enum dial_fault dials(struct caller *caller, const char *url, struct dial_settings settings) {
    enum dial_fault fault = 0;
    settings.url = url;
    *caller = (struct caller){0};
    caller->dial = dial_new(dialer, &settings, &events, caller, &fault);
    return caller->dial ? 0 : fault;
}

static const char *url_of(const char *scheme, const char *host, int port, const char *path) {
    static char url[256];
    snprintf(url, sizeof url, "%s://%s:%d%s", scheme, host, port, path);
    return url;
}

static void calls(struct caller *caller) {
    assert_int_equal(dials(caller, url_of("ws", "127.0.0.1", rig.port, "/socket?a=b"), usual), 0);
    RIG_UNTIL(&rig, caller->opened == 1);
}

static void start_with(const struct net_settings *settings) {
    rig_start(&rig, settings);
    dialer = dialer_new(rig.loop);
}

static int start(void **state) {
    start_with(&rig_settings);
    return 0;
}

static int stop(void **state) {
    dialer_free(&dialer);
    rig_stop(&rig);
    return 0;
}

static int start_tls(void **state) {
    rig_tls_init(&tls, "localhost");
    start_with(&tls.settings);
    return 0;
}

static int stop_tls(void **state) {
    stop(state);
    rig_tls_done(&tls);
    return 0;
}

static void assert_receives(struct caller *caller, struct slice wanted, bool wanted_binary) {
    struct buffer message = {0};
    bool binary;
    RIG_UNTIL(&rig, dial_receive(caller->dial, &message, &binary));
    assert_true(slice_equal(buffer_slice(&message), wanted));
    assert_int_equal(binary, wanted_binary);
    buffer_done(&message);
}

static void nothing_exists_before_the_first_connection(void **state) {
    struct caller caller;
    assert_null(rig.loop->uv);
    assert_int_equal(dials(&caller, "http://localhost/", usual), DIAL_BAD_URL);
    assert_null(rig.loop->uv);
    calls(&caller);
    assert_non_null(rig.loop->uv);
}

static void only_websocket_urls_are_dialed(void **state) {
    static const char *const wrong[] = {"",          "ws:",       "ws://",         "http://a/", "ws://user@a/",
                                        "ws://a/#b", "ws://a:0/", "ws://a:65536/", "ws://a:x/", "/a",
                                        "ws://a b/"};
    struct caller caller;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(dials(&caller, wrong[i], usual), DIAL_BAD_URL);
    char long_one[DIAL_URL_MAX + 16] = "ws://a/";
    memset(long_one + 7, 'x', sizeof long_one - 8);
    assert_int_equal(dials(&caller, long_one, usual), DIAL_BAD_URL);
}

static void messages_of_all_sizes_arrive_whole_both_ways(void **state) {
    static char big[100000];
    static const size_t sizes[] = {0, 1, 125, 126, 4095, 4096, 16384, 65535, 65536, sizeof big};
    struct caller caller;
    memset(big, 'x', sizeof big);
    calls(&caller);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (int binary = 0; binary < 2; binary++) {
            assert_true(dial_send(caller.dial, (struct slice){big, sizes[i]}, binary));
            assert_receives(&caller, (struct slice){big, sizes[i]}, binary);
        }
    }
    assert_int_equal(caller.closed, 0);
}

static void messages_sent_before_the_connection_opens_wait(void **state) {
    struct caller caller;
    assert_int_equal(dials(&caller, url_of("ws", "localhost", rig.port, "/"), usual), 0);
    assert_true(dial_send(caller.dial, SLICE("early"), false));
    assert_receives(&caller, SLICE("early"), false);
}

static void a_subprotocol_and_headers_are_offered(void **state) {
    static const char *const ours[] = {"v1"};
    struct dial_settings settings = usual;
    struct caller caller;
    rig.protocols = ours;
    rig.protocols_len = 1;
    settings.protocols = "v2, v1";
    settings.headers = SLICE("Origin: https://x.example\r\n");
    assert_int_equal(dials(&caller, url_of("ws", "127.0.0.1", rig.port, "/"), settings), 0);
    RIG_UNTIL(&rig, caller.opened == 1);
    assert_string_equal(dial_protocol(caller.dial), "v1");
    assert_string_equal(rig.origin, "https://x.example");
}

static void each_side_hears_the_others_close(void **state) {
    struct caller caller;
    calls(&caller);
    assert_true(dial_send(caller.dial, SLICE("last words"), false));
    dial_close(caller.dial, 4001, SLICE("enough"));
    RIG_UNTIL(&rig, caller.closed == 1 && rig.closed == 1);
    assert_int_equal(rig.messages, 1);
    assert_int_equal(rig.close_code, 4001);
    assert_string_equal(rig.close_reason, "enough");
    assert_int_equal(caller.end, DIAL_CLOSED);
    assert_int_equal(caller.code, 4001);
    calls(&caller);
    RIG_UNTIL(&rig, rig.conn != NULL);
    websocket_close(rig.conn, 4002, SLICE("go away"));
    RIG_UNTIL(&rig, caller.closed == 1);
    assert_int_equal(caller.end, DIAL_CLOSED);
    assert_int_equal(caller.code, 4002);
    assert_string_equal(caller.reason, "go away");
}

static void a_refused_handshake_is_reported_as_refused(void **state) {
    struct caller caller;
    rig.refuse_upgrades = true;
    assert_int_equal(dials(&caller, url_of("ws", "127.0.0.1", rig.port, "/"), usual), 0);
    RIG_UNTIL(&rig, caller.closed == 1);
    assert_int_equal(caller.end, DIAL_REFUSED);
    assert_int_equal(caller.opened, 0);
}

static void a_server_that_is_not_there_is_unavailable(void **state) {
    struct caller caller;
    assert_int_equal(dials(&caller, url_of("ws", "127.0.0.1", 1, "/"), usual), 0);
    RIG_UNTIL(&rig, caller.closed == 1);
    assert_int_equal(caller.end, DIAL_UNAVAILABLE);
    assert_int_equal(dials(&caller, "ws://no-such-name.invalid/", usual), 0);
    RIG_UNTIL(&rig, caller.closed == 1);
    assert_true(caller.end == DIAL_UNAVAILABLE || caller.end == DIAL_TIMED_OUT);
}

static void count_watcher(uv_handle_t *handle, void *count) {
    *(unsigned *)count += handle->type == UV_POLL;
}

/* Descriptors that libuv watches for libwebsockets. */
static unsigned watchers(void) {
    unsigned count = 0;
    uv_walk(loop_uv(rig.loop), count_watcher, &count);
    return count;
}

static void a_connection_that_fails_at_once_leaves_nothing(void **state) {
    struct caller caller, failing;
    calls(&caller);
    unsigned before = watchers();
    for (int i = 0; i < 3; i++) { /* no TCP connection reaches broadcast */
        assert_int_equal(dials(&failing, "ws://255.255.255.255/", usual), 0);
        RIG_UNTIL(&rig, failing.closed == 1);
        assert_int_equal(failing.end, DIAL_UNAVAILABLE);
    }
    RIG_UNTIL(&rig, watchers() == before);
}

/* A listener that answers nothing. */
static int silent_listener(int *port_r) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    *port_r = ntohs(address.sin_port);
    return fd;
}

static void a_silent_server_is_awaited_until_the_deadline(void **state) {
    struct dial_settings settings = usual;
    int port, fd = silent_listener(&port);
    struct caller caller;
    settings.timeout_ms = 50;
    assert_int_equal(dials(&caller, url_of("ws", "127.0.0.1", port, "/"), settings), 0);
    RIG_UNTIL(&rig, caller.closed == 1);
    assert_int_equal(caller.end, DIAL_TIMED_OUT);
    close(fd);
}

static void a_connection_that_is_cut_has_no_close_code(void **state) {
    struct caller caller;
    calls(&caller);
    net_server_free(&rig.server);
    RIG_UNTIL(&rig, caller.closed == 1);
    assert_int_equal(caller.end, DIAL_CLOSED);
    assert_int_equal(caller.code, 1006);
}

static void too_large_or_invalid_text_ends_the_connection(void **state) {
    static const struct {
        struct slice frame;
        uint16_t code;
    } rows[] = {{{"\x82\x03"
                  "abc",
                  5},
                 1009},
                {{"\x81\x01\xff", 3}, 1007}};
    for (size_t i = 0; i < 2; i++) {
        struct dial_settings settings = usual;
        struct caller caller;
        settings.max_message_bytes = 2;
        rig.conn = NULL;
        assert_int_equal(dials(&caller, url_of("ws", "127.0.0.1", rig.port, "/"), settings), 0);
        RIG_UNTIL(&rig, caller.opened == 1 && rig.conn);
        websocket_write(rig.conn, rows[i].frame);
        RIG_UNTIL(&rig, caller.closed == 1);
        assert_int_equal(caller.code, rows[i].code);
        assert_int_equal(caller.received, 0);
    }
}

static void reading_stops_while_the_owner_does_not_receive(void **state) {
    enum { SENT = 2000, SIZE = 10000 };
    static char frame[4 + SIZE] = "\x82\x7e\x27\x10";
    struct caller caller;
    unsigned sent = 0;
    calls(&caller);
    RIG_UNTIL(&rig, rig.conn != NULL);
    while (sent < SENT && websocket_write(rig.conn, (struct slice){frame, sizeof frame})) {
        sent++;
        loop_turn(rig.loop);
    }
    assert_in_range(sent, 10, SENT - 1); /* blocked long before everything is sent */
    unsigned got = 0;
    for (; got <= sent; got++) {
        struct buffer message = {0};
        bool binary;
        RIG_UNTIL(&rig, dial_receive(caller.dial, &message, &binary) || (got == sent && rig.drained));
        if (got < sent) assert_int_equal(message.len, SIZE);
        buffer_done(&message);
    }
    assert_int_equal(caller.closed, 0);
    assert_true(dial_send(caller.dial, SLICE("still there"), false));
    RIG_UNTIL(&rig, rig.messages == 1);
}

static void the_send_queue_is_bounded(void **state) {
    static char big[30000];
    struct caller caller;
    unsigned sent = 0;
    memset(big, 'x', sizeof big);
    calls(&caller);
    RIG_UNTIL(&rig, rig.conn != NULL);
    rig.echo = false;
    websocket_pause(rig.conn, true);
    while (sent < 10000 && dial_send(caller.dial, (struct slice){big, sizeof big}, true)) {
        sent++;
        for (int i = 0; i < 5; i++) loop_turn(rig.loop);
    }
    assert_in_range(sent, 2, 9999);
    assert_int_equal(caller.drained, 0);
    websocket_pause(rig.conn, false);
    RIG_UNTIL(&rig, caller.drained == 1 && rig.messages == sent);
}

static void who_forgets_a_connection_hears_nothing_and_the_server_1001(void **state) {
    struct caller caller;
    calls(&caller);
    dial_forget(&caller.dial);
    RIG_UNTIL(&rig, rig.closed == 1);
    assert_int_equal(rig.close_code, 1001);
    assert_int_equal(dials(&caller, url_of("ws", "127.0.0.1", rig.port, "/"), usual), 0);
    dial_forget(&caller.dial); /* before it has begun */
    for (int i = 0; i < 20; i++) loop_turn(rig.loop);
    assert_int_equal(caller.closed, 0);
}

static void the_number_of_connections_is_bounded(void **state) {
    static struct caller callers[DIALS_MAX + 1];
    int port, fd = silent_listener(&port);
    const char *url = url_of("ws", "127.0.0.1", port, "/");
    for (int i = 0; i < DIALS_MAX; i++) assert_int_equal(dials(&callers[i], url, usual), 0);
    assert_int_equal(dials(&callers[DIALS_MAX], url, usual), DIAL_TOO_MANY);
    dial_close(callers[0].dial, 1000, SLICE_NONE);
    RIG_UNTIL(&rig, callers[0].closed == 1);
    assert_int_equal(dials(&callers[0], url, usual), 0);
    close(fd);
}

/* ---- TLS */

static void calls_over_tls(struct caller *caller, const char *host, const char *ca) {
    struct dial_settings settings = usual;
    settings.ca = ca;
    assert_int_equal(dials(caller, url_of("wss", host, rig.port, "/"), settings), 0);
    RIG_UNTIL(&rig, caller->opened + caller->closed == 1);
}

static void a_certificate_must_be_trusted_and_match_the_name(void **state) {
    struct caller caller;
    calls_over_tls(&caller, "localhost", tls.certificate);
    assert_int_equal(caller.opened, 1);
    assert_true(dial_send(caller.dial, SLICE("secret"), false));
    assert_receives(&caller, SLICE("secret"), false);
    calls_over_tls(&caller, "127.0.0.1", tls.certificate); /* which the certificate does not name */
    assert_int_equal(caller.closed, 1);
    assert_int_equal(caller.end, DIAL_UNTRUSTED);
    calls_over_tls(&caller, "localhost", NULL); /* not signed by the system's authorities */
    assert_int_equal(caller.end, DIAL_UNTRUSTED);
}

static void a_file_without_authorities_is_refused_at_once(void **state) {
    struct dial_settings settings = usual;
    struct caller caller;
    settings.ca = "/nowhere/ca.pem";
    assert_int_equal(dials(&caller, "wss://localhost/", settings), DIAL_BAD_CA);
    settings.ca = tls.key;
    assert_int_equal(dials(&caller, "wss://localhost/", settings), DIAL_BAD_CA);
}

#define PLAIN(name) cmocka_unit_test_setup_teardown(name, start, stop)
#define TLS(name) cmocka_unit_test_setup_teardown(name, start_tls, stop_tls)

int main(void) {
    const struct CMUnitTest tests[] = {
        PLAIN(nothing_exists_before_the_first_connection),
        PLAIN(only_websocket_urls_are_dialed),
        PLAIN(messages_of_all_sizes_arrive_whole_both_ways),
        PLAIN(messages_sent_before_the_connection_opens_wait),
        PLAIN(a_subprotocol_and_headers_are_offered),
        PLAIN(each_side_hears_the_others_close),
        PLAIN(a_refused_handshake_is_reported_as_refused),
        PLAIN(a_server_that_is_not_there_is_unavailable),
        PLAIN(a_connection_that_fails_at_once_leaves_nothing),
        PLAIN(a_silent_server_is_awaited_until_the_deadline),
        PLAIN(a_connection_that_is_cut_has_no_close_code),
        PLAIN(too_large_or_invalid_text_ends_the_connection),
        PLAIN(reading_stops_while_the_owner_does_not_receive),
        PLAIN(the_send_queue_is_bounded),
        PLAIN(who_forgets_a_connection_hears_nothing_and_the_server_1001),
        PLAIN(the_number_of_connections_is_bounded),
        TLS(a_certificate_must_be_trusted_and_match_the_name),
        TLS(a_file_without_authorities_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
