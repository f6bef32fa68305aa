/* Long-polling and its upgrade over real sockets. */
#include "support/hub_scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "limit/admission.h"
#include "net/server.h"
#include "session/handshake.h"
#include "session/hub_state.h"

enum { DEADLINE_US = 5000000 };

static struct net_server *server;
static int listen_fd;
static struct admission_control *admission;
static struct hub_settings settings;
static char host[32];
static const char *below = "/engine.io/";
static const char *const self_and_friend[] = {"self", "https://friend.example"};

/* The server's side. */

static size_t body_max(void *owner, struct slice method, struct slice path) {
    return 1000;
}

static void on_request(void *owner, struct http_request *request) {
    assert_true(hub_request(hub, request));
}

static void on_upgrade(void *owner, struct http_request *request, struct http_upgrade *upgrade_r) {
    assert_true(hub_upgrade(hub, request, upgrade_r));
}

static enum admission on_admit(void *owner, const struct address *address, struct seat *seat,
                               unsigned *retry_after_s_r) {
    return ADMIT;
}

static const struct net_events events = {
    .http = {.body_max = body_max, .request = on_request, .upgrade = on_upgrade, .opened = hub_opened},
    .admit = on_admit,
};

static int serve(void **state) {
    settings = scene_settings();
    struct net_settings net = {.max_message_bytes = 1000000,
                               .header_timeout_ms = 10000,
                               .body_timeout_ms = 10000,
                               .keepalive_ms = 60000,
                               .head_bytes = 16384};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    settings.origins = self_and_friend;
    settings.origins_len = 2;
    settings.ping_interval_ms = 300;
    settings.ping_timeout_ms = 200;
    struct loop *own_loop = loop_new();
    admission = admission_new(own_loop, &(struct admission_settings){0});
    settings.admission = admission;
    scene_begin(own_loop, &settings);
    hub_set_endpoints(hub, &(struct hub_endpoint){.path = "/engine.io/"}, 1);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listen_fd, 64), 0);
    getsockname(listen_fd, (struct sockaddr *)&address, &len);
    snprintf(host, sizeof host, "127.0.0.1:%u", ntohs(address.sin_port));
    struct error error;
    server = net_server_new(loop, &net, &events, NULL, &error);
    assert_non_null(server);
    net_server_listen(server, listen_fd);
    return 0;
}

static int stop(void **state) {
    net_server_free(&server);
    close(listen_fd);
    hub_free(&hub);
    while (loop_turn(loop)) continue; /* what the sessions had is given back */
    admission_free(&admission);
    return tear_down(state);
}

/* The client's side. */

struct answer {
    int status;
    char head[2048], body[2048];
};

static int dial(void) {
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    getsockname(listen_fd, (struct sockaddr *)&address, &len);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int ask(const char *method, const char *query, const char *headers, const char *body) {
    char text[4096];
    int fd = dial();
    int len = snprintf(text, sizeof text, "%s %s?%s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                       below, query, host, headers, strlen(body), body);
    assert_int_equal(write(fd, text, (size_t)len), len);
    return fd;
}

/* Reads until done says so, or the end; false: nothing came in time. */
static bool read_until(int fd, struct buffer *in, bool (*done)(const struct buffer *in)) {
    uint64_t deadline = loop_clock_us(loop) + DEADLINE_US;
    while (loop_clock_us(loop) < deadline) {
        char piece[2048];
        loop_turn(loop);
        ssize_t n = read(fd, piece, sizeof piece);
        if (n > 0) buffer_append(in, piece, (size_t)n);
        if (done(in)) return true;
        if (n == 0 || (n < 0 && errno != EAGAIN)) return false;
    }
    return false;
}

static bool answer_whole(const struct buffer *in) {
    const char *end = in->len ? memmem(in->ptr, in->len, "\r\n\r\n", 4) : NULL;
    if (!end) return false;
    const char *length = NULL;
    for (const char *at = in->ptr; at < end && !length; at++) {
        if (strncasecmp(at, "\r\ncontent-length:", 17) == 0) length = at + 17;
    }
    return in->len - (size_t)(end + 4 - in->ptr) >= (length ? strtoul(length, NULL, 10) : 0);
}

static struct answer answer_of(int fd) {
    struct answer answer = {0};
    struct buffer in = {0};
    bool whole = read_until(fd, &in, answer_whole);
    buffer_append_char(&in, 0);
    close(fd);
    if (whole) {
        char *end = strstr(in.ptr, "\r\n\r\n");
        answer.status = atoi(in.ptr + 9);
        *end = 0;
        snprintf(answer.head, sizeof answer.head, "%s", in.ptr);
        snprintf(answer.body, sizeof answer.body, "%s", end + 4);
    }
    buffer_done(&in);
    return answer;
}

static struct answer fetch(const char *method, const char *query, const char *body) {
    return answer_of(ask(method, query, "", body));
}

static void assert_answer(struct answer answer, int status, const char *body) {
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.body, body);
}

static char sid[64], polling[160];

static void open_session(void) {
    struct answer answer = fetch("GET", "EIO=4&transport=polling", "");
    assert_int_equal(answer.status, 200);
    take_id(answer.body, "sid", sid);
    snprintf(polling, sizeof polling, "EIO=4&transport=polling&sid=%s", sid);
}

static int open_websocket(const char *query) {
    char headers[256];
    snprintf(headers, sizeof headers,
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    return ask("GET", query, headers, "");
}

static bool head_whole(const struct buffer *in) {
    return in->len >= 4 && memmem(in->ptr, in->len, "\r\n\r\n", 4);
}

/* A small text frame, masked with zeros. */
static void send_frame(int fd, const char *text) {
    char frame[128] = {(char)0x81, (char)(0x80 | strlen(text))};
    memcpy(frame + 6, text, strlen(text));
    assert_int_equal(write(fd, frame, 6 + strlen(text)), 6 + strlen(text));
}

static bool frame_whole(const struct buffer *in) {
    return in->len >= 2 && in->len >= 2 + (size_t)(in->ptr[1] & 0x7f);
}

/* in: what was read after the head or earlier frames. */
static void assert_frame(int fd, struct buffer *in, const char *text) {
    assert_true(frame_whole(in) || read_until(fd, in, frame_whole));
    assert_int_equal(in->ptr[1] & 0x7f, strlen(text));
    assert_memory_equal(in->ptr + 2, text, strlen(text));
    buffer_consume(in, 2 + strlen(text));
}

static int upgraded(const char *query, struct buffer *in) {
    int fd = open_websocket(query);
    assert_true(read_until(fd, in, head_whole));
    assert_memory_equal(in->ptr, "HTTP/1.1 101", 12);
    buffer_consume(in, (size_t)((char *)memmem(in->ptr, in->len, "\r\n\r\n", 4) + 4 - in->ptr));
    return fd;
}

static bool closing(const struct buffer *in) {
    return in->len > 0 && (in->ptr[0] & 0x0f) == 8;
}

static void assert_closes(int fd, struct buffer *in) {
    read_until(fd, in, closing); /* or the end */
    close(fd);
    buffer_done(in);
}

static void wait_turns(uint64_t ms) {
    uint64_t until = loop_clock_us(loop) + ms * 1000;
    while (loop_clock_us(loop) < until) {
        loop_turn(loop);
        usleep(500);
    }
}

/* Handshake. */

static void the_open_packet_has_exactly_its_five_keys(void **state) {
    struct answer answer = fetch("GET", "EIO=4&transport=polling", "");
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
    assert_answer(fetch("GET", "EIO=4", ""), 400, "{\"code\":0,\"message\":\"Transport unknown\"}");
    assert_answer(fetch("GET", "EIO=4&transport=foo&sid=x", ""), 400, "{\"code\":0,\"message\":\"Transport unknown\"}");
    assert_answer(fetch("GET", "EIO=4&transport=polling&sid=x", ""), 400,
                  "{\"code\":1,\"message\":\"Session ID unknown\"}");
    assert_answer(fetch("POST", "EIO=4&transport=polling", ""), 400,
                  "{\"code\":2,\"message\":\"Bad handshake method\"}");
    assert_answer(fetch("GET", "EIO=4&transport=websocket", ""), 400, "{\"code\":3,\"message\":\"Bad request\"}");
    assert_answer(fetch("GET", "EIO=3&transport=polling", ""), 400,
                  "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    assert_answer(fetch("GET", "transport=polling", ""), 400,
                  "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    assert_answer(fetch("GET", "EIO=99&transport=polling", ""), 400,
                  "{\"code\":5,\"message\":\"Unsupported protocol version\"}");
    assert_answer(answer_of(open_websocket("EIO=3&transport=websocket")), 400, "Unsupported protocol version");
    assert_int_equal(metric_get(METRIC_REJECTED, NULL), rejected + 9);
}

static void a_strange_origin_is_forbidden_and_a_known_one_gets_its_headers(void **state) {
    struct answer answer = answer_of(ask("GET", "EIO=4&transport=polling", "Origin: https://evil.example\r\n", ""));
    assert_answer(answer, 403, "{\"code\":4,\"message\":\"Forbidden\"}");
    assert_null(strcasestr(answer.head, "access-control"));
    answer = answer_of(ask("GET", "EIO=4&transport=polling", "Origin: https://friend.example\r\n", ""));
    assert_int_equal(answer.status, 200);
    assert_non_null(strcasestr(answer.head, "access-control-allow-origin: https://friend.example"));
    assert_non_null(strcasestr(answer.head, "access-control-allow-credentials: true"));
    answer = answer_of(ask("OPTIONS", "EIO=4&transport=polling", "Origin: https://friend.example\r\n", ""));
    assert_int_equal(answer.status, 204);
    assert_non_null(strcasestr(answer.head, "access-control-allow-methods"));
}

static void a_client_that_closes_its_connection_is_told_that_it_closes(void **state) {
    struct answer answer = answer_of(ask("GET", "EIO=4&transport=polling", "Connection: close\r\n", ""));
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
    struct answer answer = answer_of(ask("GET", "EIO=4&transport=polling", headers, ""));
    assert_int_equal(answer.status, 200);
    take_id(answer.body, "sid", sid);
    const struct session *session = map_find(hub->sessions, slice_of(sid));
    assert_non_null(session);
    assert_non_null(strstr(session->handshake->json, "\"user-agent\":\"a phone\""));
    assert_null(strcasestr(session->handshake->json, "filler"));
    assert_in_range(strlen(session->handshake->json), 1, 500);
}

/* Whatever it does with its connections. */
static void a_session_that_polls_takes_a_seat_from_its_handshake_to_its_end(void **state) {
    settings.ping_interval_ms = settings.ping_timeout_ms = 60000;
    hub_set(hub, &settings);
    admission_set(admission, &(struct admission_settings){.connections = 3, .connections_per_address = 2});
    struct buffer in = {0};
    char first[160];
    open_session();
    memcpy(first, polling, sizeof first);
    open_session();
    seats_are(2);
    size_t sessions = hub_sessions(hub);
    for (int i = 0; i < 20; i++) {
        struct answer answer = fetch("GET", "EIO=4&transport=polling", "");
        assert_int_equal(answer.status, 503);
        assert_non_null(strcasestr(answer.head, "\r\nretry-after: "));
    }
    assert_int_equal(hub_sessions(hub), sessions);
    assert_answer(fetch("POST", first, "1"), 200, "ok");
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

static void a_newcomer_takes_the_place_of_who_came_before_and_was_not_let_in(void **state) {
    below = "/socket.io/";
    admission_set(admission, &(struct admission_settings){.connections = 2});
    open_session();
    assert_answer(fetch("POST", polling, "40{\"user\":\"guest\"}"), 200, "ok");
    open_session();
    int fd = ask("GET", polling, "", "");
    open_session();
    assert_answer(answer_of(fd), 200, "1");
    assert_int_equal(hub_sessions(hub), 2);
    seats_are(2);
    below = "/engine.io/";
}

/* Packets. */

static void packets_go_both_ways_text_and_binary(void **state) {
    open_session();
    assert_answer(fetch("POST", polling,
                        "4hello\x1e"
                        "bAQIDBA==\n\x1e"
                        "4bye"),
                  200, "ok");
    assert_answer(fetch("GET", polling, ""), 200,
                  "4hello\x1e"
                  "bAQIDBA==\x1e"
                  "4bye");
}

static void a_poll_waits_for_what_comes(void **state) {
    open_session();
    int get = ask("GET", polling, "", "");
    assert_answer(fetch("POST", polling, "4late"), 200, "ok");
    assert_answer(answer_of(get), 200, "4late");
}

static void a_second_poll_closes_the_session(void **state) {
    open_session();
    int first = ask("GET", polling, "", "");
    wait_turns(20);
    int64_t rejected = metric_get(METRIC_REJECTED, NULL);
    assert_int_equal(fetch("GET", polling, "").status, 400);
    assert_int_equal(metric_get(METRIC_REJECTED, NULL), rejected + 1);
    assert_answer(answer_of(first), 200, "1");
    assert_int_equal(fetch("GET", polling, "").status, 400);
}

static void an_aborted_poll_closes_the_session(void **state) {
    open_session();
    int get = ask("GET", polling, "", "");
    wait_turns(20);
    close(get);
    wait_turns(20);
    assert_answer(fetch("GET", polling, ""), 400, "{\"code\":1,\"message\":\"Session ID unknown\"}");
}

static void decoding_stops_at_the_first_bad_packet(void **state) {
    open_session();
    assert_int_equal(fetch("POST", polling,
                           "4good\x1e"
                           "x\x1e"
                           "4lost")
                         .status,
                     400);
    assert_int_equal(fetch("GET", polling, "").status, 400);
    assert_int_equal(script.asked[POLICY_MESSAGE], 1);
}

static void a_body_too_large_is_refused_and_the_session_stays(void **state) {
    char body[1200];
    memset(body, 'x', sizeof body - 1);
    body[0] = '4';
    body[sizeof body - 1] = 0;
    open_session();
    assert_int_equal(fetch("POST", polling, body).status, 413);
    assert_answer(fetch("POST", polling, "4ok"), 200, "ok");
    assert_answer(fetch("GET", polling, ""), 200, "4ok");
}

static void bytes_as_a_body_close_the_session(void **state) {
    open_session();
    assert_int_equal(answer_of(ask("POST", polling, "Content-Type: application/octet-stream\r\n", "4x")).status, 400);
    assert_int_equal(fetch("GET", polling, "").status, 400);
}

static void a_client_that_closes_gets_noop_on_its_poll(void **state) {
    open_session();
    int get = ask("GET", polling, "", "");
    wait_turns(20);
    assert_answer(fetch("POST", polling, "1"), 200, "ok");
    assert_answer(answer_of(get), 200, "6");
    assert_int_equal(fetch("GET", polling, "").status, 400);
}

static void a_server_that_closes_says_so_on_the_poll_that_waits_or_the_next(void **state) {
    open_session();
    int get = ask("GET", polling, "", "");
    wait_turns(20);
    hub_close_all(hub, CLOSE_SHUTTING_DOWN);
    assert_answer(answer_of(get), 200, "1");
    open_session();
    hub_close_all(hub, CLOSE_SHUTTING_DOWN);
    assert_answer(fetch("GET", polling, ""), 200, "1");
    wait_turns(20);
    assert_int_equal(fetch("GET", polling, "").status, 400);
}

static void a_poll_brings_the_ping_and_silence_ends_the_session(void **state) {
    open_session();
    assert_answer(fetch("GET", polling, ""), 200, "2");
    assert_answer(fetch("POST", polling, "3"), 200, "ok");
    wait_turns(520);
    assert_int_equal(fetch("GET", polling, "").status, 400);
}

/* Upgrade. */

static void an_upgrade_loses_and_reorders_nothing(void **state) {
    struct buffer in = {0};
    char query[160];
    open_session();
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    int get = ask("GET", polling, "", "");
    int fd = upgraded(query, &in);
    send_frame(fd, "2probe");
    assert_frame(fd, &in, "3probe");
    assert_answer(answer_of(get), 200, "6");
    assert_answer(fetch("POST", polling,
                        "4one\x1e"
                        "4two"),
                  200, "ok"); /* still in charge */
    send_frame(fd, "5");
    send_frame(fd, "4three");
    assert_frame(fd, &in, "4one");
    assert_frame(fd, &in, "4two");
    assert_frame(fd, &in, "4three");
    assert_answer(fetch("GET", polling, ""), 400, "{\"code\":3,\"message\":\"Bad request\"}");
    struct buffer second_in = {0};
    assert_closes(upgraded(query, &second_in), &second_in); /* and harms nothing */
    send_frame(fd, "4four");
    assert_frame(fd, &in, "4four");
    assert_closes(fd, &in);
}

/* Whoever skips the probe, or repeats it, upgrades as the one who does not. */
static void an_upgrade_may_skip_or_repeat_its_probe(void **state) {
    for (int probes = 0; probes <= 2; probes += 2) {
        struct buffer in = {0};
        char query[160];
        open_session();
        snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
        int fd = upgraded(query, &in);
        for (int i = 0; i < probes; i++) {
            send_frame(fd, "2probe");
            assert_frame(fd, &in, "3probe");
        }
        assert_answer(fetch("POST", polling, "4one"), 200, "ok");
        send_frame(fd, "5");
        send_frame(fd, "4two");
        assert_frame(fd, &in, "4one");
        assert_frame(fd, &in, "4two");
        assert_int_equal(fetch("GET", polling, "").status, 400);
        close(fd);
        buffer_done(&in);
    }
}

static void a_poll_that_comes_while_an_upgrade_is_probed_is_released(void **state) {
    struct buffer in = {0};
    char query[160];
    open_session();
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    int fd = upgraded(query, &in);
    send_frame(fd, "2probe");
    assert_frame(fd, &in, "3probe");
    assert_answer(fetch("GET", polling, ""), 200, "6");
    close(fd);
    buffer_done(&in);
}

static void anything_else_on_the_probe_closes_it_and_polling_goes_on(void **state) {
    struct buffer in = {0};
    char query[160];
    open_session();
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    int fd = upgraded(query, &in);
    send_frame(fd, "2");
    assert_closes(fd, &in);
    assert_answer(fetch("POST", polling, "4still"), 200, "ok");
    assert_answer(fetch("GET", polling, ""), 200, "4still");
}

static void a_probe_that_goes_no_further_is_closed_and_polling_goes_on(void **state) {
    struct buffer in = {0};
    char query[160];
    settings.upgrade_timeout_ms = 20;
    hub_set(hub, &settings);
    open_session();
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    assert_closes(upgraded(query, &in), &in);
    assert_answer(fetch("POST", polling, "4still"), 200, "ok");
    assert_answer(fetch("GET", polling, ""), 200, "4still");
}

static void a_session_opened_as_websocket_cannot_be_taken_over_by_its_id(void **state) {
    struct buffer in = {0};
    char query[160], open[256];
    int fd = upgraded("EIO=4&transport=websocket", &in);
    assert_true(frame_whole(&in) || read_until(fd, &in, frame_whole));
    size_t len = (size_t)(in.ptr[1] & 0x7f);
    size_t head = 2;
    if (len == 126) {
        len = (size_t)((unsigned char)in.ptr[2] << 8 | (unsigned char)in.ptr[3]);
        head = 4;
    }
    snprintf(open, sizeof open, "%.*s", (int)len, in.ptr + head);
    take_id(open, "sid", sid);
    snprintf(query, sizeof query, "EIO=4&transport=websocket&sid=%s", sid);
    assert_answer(answer_of(open_websocket(query)), 400, "Bad request");
    buffer_consume(&in, head + len);
    send_frame(fd, "4mine");
    assert_frame(fd, &in, "4mine");
    close(fd);
    buffer_done(&in);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, serve, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(the_open_packet_has_exactly_its_five_keys),
        SCENE(each_refusal_has_its_code_in_the_order_of_the_checks),
        SCENE(a_strange_origin_is_forbidden_and_a_known_one_gets_its_headers),
        SCENE(a_client_that_closes_its_connection_is_told_that_it_closes),
        SCENE(a_handshake_keeps_the_headers_that_scripts_read_and_no_others),
        SCENE(a_session_that_polls_takes_a_seat_from_its_handshake_to_its_end),
        SCENE(a_newcomer_takes_the_place_of_who_came_before_and_was_not_let_in),
        SCENE(packets_go_both_ways_text_and_binary),
        SCENE(a_poll_waits_for_what_comes),
        SCENE(a_second_poll_closes_the_session),
        SCENE(an_aborted_poll_closes_the_session),
        SCENE(decoding_stops_at_the_first_bad_packet),
        SCENE(a_body_too_large_is_refused_and_the_session_stays),
        SCENE(bytes_as_a_body_close_the_session),
        SCENE(a_client_that_closes_gets_noop_on_its_poll),
        SCENE(a_server_that_closes_says_so_on_the_poll_that_waits_or_the_next),
        SCENE(a_poll_brings_the_ping_and_silence_ends_the_session),
        SCENE(an_upgrade_loses_and_reorders_nothing),
        SCENE(an_upgrade_may_skip_or_repeat_its_probe),
        SCENE(a_poll_that_comes_while_an_upgrade_is_probed_is_released),
        SCENE(anything_else_on_the_probe_closes_it_and_polling_goes_on),
        SCENE(a_probe_that_goes_no_further_is_closed_and_polling_goes_on),
        SCENE(a_session_opened_as_websocket_cannot_be_taken_over_by_its_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
