/* SPDX-License-Identifier: Apache-2.0 */
#include "support/polling_rig.h"
#include "session/hub_http.h"

static struct net_server *server;
static int listen_fd;
struct admission_control *admission;
struct hub_settings settings;
static char host[32];
static unsigned requests;
const char *polling_path = "/engine.io/";
static const char *const self_and_friend[] = {"self", "https://friend.example"};
char sid[64], polling[160];

static size_t body_max(void *owner, struct slice method, struct slice path) {
    return 1000;
}

static void on_request(void *owner, struct http_request *request) {
    requests++;
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

int serve_polling(void **state) {
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

int stop_polling(void **state) {
    net_server_free(&server);
    close(listen_fd);
    hub_free(&hub);
    while (loop_turn(loop)) continue; /* frees what the sessions used */
    admission_free(&admission);
    return tear_down(state);
}

static int dial(void) {
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    getsockname(listen_fd, (struct sockaddr *)&address, &len);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int polling_ask(const char *method, const char *query, const char *headers, const char *body) {
    char text[4096];
    int fd = dial();
    int len = snprintf(text, sizeof text, "%s %s?%s HTTP/1.1\r\nHost: %s\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                       polling_path, query, host, headers, strlen(body), body);
    assert_int_equal(write(fd, text, (size_t)len), len);
    return fd;
}

bool read_until(int fd, struct buffer *in, bool (*done)(const struct buffer *in)) {
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

struct answer answer_of(int fd) {
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

struct answer polling_fetch(const char *method, const char *query, const char *body) {
    return answer_of(polling_ask(method, query, "", body));
}

void assert_answer(struct answer answer, int status, const char *body) {
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.body, body);
}

void open_session(void) {
    struct answer answer = polling_fetch("GET", "EIO=4&transport=polling", "");
    assert_int_equal(answer.status, 200);
    take_id(answer.body, "sid", sid);
    snprintf(polling, sizeof polling, "EIO=4&transport=polling&sid=%s", sid);
}

int open_websocket(const char *query) {
    char headers[256];
    snprintf(headers, sizeof headers,
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    return polling_ask("GET", query, headers, "");
}

static bool head_whole(const struct buffer *in) {
    return in->len >= 4 && memmem(in->ptr, in->len, "\r\n\r\n", 4);
}

void send_frame(int fd, const char *text) {
    char frame[128] = {(char)0x81, (char)(0x80 | strlen(text))};
    memcpy(frame + 6, text, strlen(text));
    assert_int_equal(write(fd, frame, 6 + strlen(text)), 6 + strlen(text));
}

bool frame_whole(const struct buffer *in) {
    return in->len >= 2 && in->len >= 2 + (size_t)(in->ptr[1] & 0x7f);
}

void assert_frame(int fd, struct buffer *in, const char *text) {
    assert_true(frame_whole(in) || read_until(fd, in, frame_whole));
    assert_int_equal(in->ptr[1] & 0x7f, strlen(text));
    assert_memory_equal(in->ptr + 2, text, strlen(text));
    buffer_consume(in, 2 + strlen(text));
}

int upgraded(const char *query, struct buffer *in) {
    int fd = open_websocket(query);
    assert_true(read_until(fd, in, head_whole));
    assert_memory_equal(in->ptr, "HTTP/1.1 101", 12);
    buffer_consume(in, (size_t)((char *)memmem(in->ptr, in->len, "\r\n\r\n", 4) + 4 - in->ptr));
    return fd;
}

static bool closing(const struct buffer *in) {
    return in->len > 0 && (in->ptr[0] & 0x0f) == 8;
}

void assert_closes(int fd, struct buffer *in) {
    read_until(fd, in, closing); /* or the end of the stream */
    close(fd);
    buffer_done(in);
}

int waiting_poll(void) {
    unsigned before = requests;
    int fd = polling_ask("GET", polling, "", "");
    POLLING_UNTIL(requests > before);
    return fd;
}
