/* SPDX-License-Identifier: Apache-2.0 */
#include "support/net_rig.h"
#include "net/websocket.h"

static void rig_message(void *owner, struct slice message, bool binary) {
    struct rig *rig = owner;
    rig->messages++;
    if (rig->heard) rig->heard(rig, message);
    rig->received_binary = binary;
    buffer_clear(&rig->received);
    buffer_append_slice(&rig->received, message);
    if (!rig->echo) return;
    struct buffer frame = {0};
    websocket_writer_write(&frame, binary ? FRAME_BINARY : FRAME_TEXT, false, message);
    if (rig->answers_late) {
        buffer_append_slice(&rig->answer, buffer_slice(&frame));
        loop_flush(rig->loop, &rig->late);
    } else {
        websocket_write(rig->conn, buffer_slice(&frame));
    }
    buffer_done(&frame);
}

/* At the end of the turn, like handlers that gather requests. */
static void rig_answer(struct loop_task *task) {
    struct rig *rig = CONTAINER(task, struct rig, late);
    if (rig->conn) websocket_write(rig->conn, buffer_slice(&rig->answer));
    buffer_done(&rig->answer);
}

static void rig_pong(void *owner) {
    ((struct rig *)owner)->pongs++;
}

static void rig_drained(void *owner) {
    ((struct rig *)owner)->drained++;
}

static void rig_closed(void *owner, uint16_t code, struct slice reason) {
    struct rig *rig = owner;
    rig->closed++;
    rig->close_code = code;
    snprintf(rig->close_reason, sizeof rig->close_reason, "%.*s", SLICE_ARG(reason));
    rig->conn = NULL;
}

static size_t rig_max(const void *owner) {
    return ((const struct rig *)owner)->max_message_bytes;
}

static const struct conn_events rig_conn_events = {rig_message, rig_pong, rig_drained, NULL, NULL, rig_closed};
static const struct conn_events rig_limited_events = {rig_message, rig_pong, rig_drained, rig_max, NULL, rig_closed};

static size_t rig_body_max(void *owner, struct slice method, struct slice path) {
    return 1000;
}

static void rig_aborted(void *owner) {
    struct rig *rig = owner;
    rig->aborted++;
    rig->waiting = rig->offered = NULL;
}

static bool rig_head(void *owner, struct http_request *request) {
    struct rig *rig = owner;
    if (!slice_is(request->path, "/offer")) return false;
    rig->offered = request->exchange;
    http_wait(request->exchange, rig_aborted, rig);
    return true;
}

void rig_whole(void *owner, struct slice body) {
    struct rig *rig = owner;
    http_reply(&rig->offered, &(struct http_reply){.status = 200, .body = body});
}

static void rig_request(void *owner, struct http_request *request) {
    struct rig *rig = owner;
    struct http_reply reply = {.status = 200, .content_type = "text/plain", .body = request->body};
    rig->requests++;
    if (rig->serve) {
        rig->serve(rig->serve_owner, request);
        return;
    }
    if (slice_is(request->path, "/wait")) {
        rig->waiting = request->exchange;
        http_wait(request->exchange, rig_aborted, rig);
        return;
    }
    if (slice_is(request->path, "/query")) reply.body = request->query;
    if (slice_is(request->path, "/hello")) reply.body = SLICE("hello");
    http_reply(&request->exchange, &reply);
}

static void rig_upgrade(void *owner, struct http_request *request, struct http_upgrade *upgrade_r) {
    struct rig *rig = owner;
    upgrade_r->events = &rig_conn_events;
    upgrade_r->owner = rig;
    snprintf(rig->origin, sizeof rig->origin, "%.*s", SLICE_ARG(http_header(request, "origin")));
    upgrade_r->protocol = http_choose_protocol(request, rig->protocols, rig->protocols_len);
    if (rig->max_message_bytes) upgrade_r->events = &rig_limited_events;
    if (rig->never_deflates) upgrade_r->deflate = false;
    if (rig->refuse_upgrades)
        upgrade_r->refusal =
            (struct http_reply){.status = 403, .content_type = "text/html", .body = SLICE("Forbidden")};
}

static void rig_refused(void *owner, struct http_request *request, struct buffer *fields) {
    buffer_printf(fields, "x-path: %.*s\r\n", SLICE_ARG(request->path));
}

static void rig_opened(void *owner, struct conn *conn) {
    struct rig *rig = owner;
    rig->opened++;
    rig->conn = conn;
    if (rig->greets) websocket_write(conn, SLICE("\x81\x05hello"));
}

static enum admission rig_admit(void *owner, const struct address *address, struct seat *seat,
                                unsigned *retry_after_s_r) {
    struct rig *rig = owner;
    *retry_after_s_r = 3;
    rig->address[0] = '\0';
    if (address) address_write(address, rig->address);
    if (rig->seats && admission_ask(rig->seats, address, seat).refused) return ADMIT_REFUSE;
    return rig->admission;
}

static int rig_elsewhere(void *owner, struct slice path, struct slice query) {
    const struct rig *rig = owner;
    size_t len = rig->foreign ? strlen(rig->foreign) : 0;
    return len > 0 && path.len >= len && memcmp(path.ptr, rig->foreign, len) == 0 ? rig->inbox : -1;
}

static enum admission rig_seat(void *owner, const struct address *address, struct seat *seat,
                               unsigned *retry_after_s_r) {
    *retry_after_s_r = 3;
    return ((struct rig *)owner)->full ? ADMIT_REFUSE : ADMIT;
}

static const struct net_events rig_events = {.http = {.body_max = rig_body_max,
                                                      .head = rig_head,
                                                      .elsewhere = rig_elsewhere,
                                                      .request = rig_request,
                                                      .upgrade = rig_upgrade,
                                                      .refused = rig_refused,
                                                      .opened = rig_opened},
                                             .admit = rig_admit,
                                             .seat = rig_seat};

const struct net_settings rig_settings = {.max_message_bytes = 100000,
                                          .header_timeout_ms = 1000,
                                          .body_timeout_ms = 1000,
                                          .keepalive_ms = 60000,
                                          .head_bytes = 16384,
                                          .deflate = true};

void rig_start(struct rig *rig, const struct net_settings *settings) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct error error;
    *rig = (struct rig){.echo = true};
    rig->loop = loop_new();
    loop_task_init(&rig->late, rig_answer);
    rig->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rig->listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(rig->listen_fd, 128), 0);
    getsockname(rig->listen_fd, (struct sockaddr *)&address, &len);
    rig->port = ntohs(address.sin_port);
    rig->server = net_server_new(rig->loop, settings, &rig_events, rig, &error);
    if (!rig->server) fail_msg("%s", error.text);
    net_server_listen(rig->server, rig->listen_fd);
}

void rig_stop(struct rig *rig) {
    net_server_free(&rig->server);
    close(rig->listen_fd);
    loop_free(&rig->loop);
    buffer_done(&rig->received);
}

bool rig_reload(struct rig *rig, const struct net_settings *settings, struct error *error_r) {
    struct net_host *host = net_server_prepare(rig->server, settings, error_r);
    if (!host) return false;
    net_server_enact(rig->server, &host);
    return true;
}

int64_t rig_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void rig_turn(struct rig *rig) {
    if (!loop_turn(rig->loop)) poll(NULL, 0, 1); /* no work was done */
}

void raw_connect(struct raw *raw, struct rig *rig) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)rig->port)};
    *raw = (struct raw){.rig = rig, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(connect(raw->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(raw->fd, F_SETFL, O_NONBLOCK), 0);
}

void raw_close(struct raw *raw) {
    if (raw->ssl) SSL_free(raw->ssl);
    raw->ssl = NULL;
    if (raw->fd >= 0) close(raw->fd);
    raw->fd = -1;
    buffer_done(&raw->in);
}

void raw_send(struct raw *raw, const char *bytes, size_t len) {
    int64_t deadline = rig_now_ms() + RIG_PATIENCE_MS;
    while (len) {
        ERR_clear_error();
        ssize_t n = raw->ssl ? SSL_write(raw->ssl, bytes, (int)len) : send(raw->fd, bytes, len, MSG_NOSIGNAL);
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (raw->ssl ? SSL_get_error(raw->ssl, (int)n) != SSL_ERROR_WANT_WRITE &&
                                  SSL_get_error(raw->ssl, (int)n) != SSL_ERROR_WANT_READ
                            : errno != EAGAIN) {
            return; /* the server has closed: the test checks its answer */
        }
        loop_turn(raw->rig->loop);
        if (rig_now_ms() > deadline) fail_msg("the server does not read");
    }
}

void raw_send_str(struct raw *raw, const char *str) {
    raw_send(raw, str, strlen(str));
}

void raw_read(struct raw *raw) {
    char *to = buffer_reserve(&raw->in, 65536);
    ERR_clear_error();
    ssize_t n = raw->ssl ? SSL_read(raw->ssl, to, 65536) : recv(raw->fd, to, 65536, 0);
    if (n > 0)
        raw->in.len += (size_t)n;
    else if (raw->ssl ? SSL_get_error(raw->ssl, (int)n) != SSL_ERROR_WANT_READ : (n == 0 || errno != EAGAIN))
        raw->eof = true;
}

bool raw_answered(struct raw *raw) {
    buffer_reserve(&raw->in, 1)[0] = '\0';
    const char *end = raw->in.len ? strstr(raw->in.ptr, "\r\n\r\n") : NULL;
    if (!end) return raw->eof;
    const char *length = strstr(raw->in.ptr, "content-length: ");
    size_t body = length && length < end ? (size_t)atoi(length + 16) : 0;
    return raw->in.len >= (size_t)(end + 4 - raw->in.ptr) + body;
}

int raw_status(struct raw *raw) {
    return raw->in.len > 12 && strncmp(raw->in.ptr, "HTTP/1.1 ", 9) == 0 ? atoi(raw->in.ptr + 9) : 0;
}

int raw_ask(struct raw *raw, const char *request) {
    buffer_clear(&raw->in);
    raw_send_str(raw, request);
    RAW_UNTIL(raw, raw_answered(raw));
    return raw_status(raw);
}

void raw_upgrade(struct raw *raw, const char *more_headers) {
    char request[1024];
    snprintf(request, sizeof request, "%s%s\r\n", UPGRADE_HEAD, more_headers);
    assert_int_equal(raw_ask(raw, request), 101);
    const char *end = strstr(raw->in.ptr, "\r\n\r\n") + 4;
    buffer_consume(&raw->in, (size_t)(end - raw->in.ptr));
}

void raw_frame(struct raw *raw, uint8_t first, bool masked, struct slice payload) {
    struct buffer frame = {0};
    uint8_t mask_bit = masked ? 0x80 : 0;
    buffer_append_char(&frame, (char)first);
    if (payload.len < 126)
        buffer_append_char(&frame, (char)(mask_bit | payload.len));
    else if (payload.len < 65536) {
        buffer_append_char(&frame, (char)(mask_bit | 126));
        buffer_append_char(&frame, (char)(payload.len >> 8));
        buffer_append_char(&frame, (char)payload.len);
    } else {
        buffer_append_char(&frame, (char)(mask_bit | 127));
        for (int shift = 56; shift >= 0; shift -= 8) buffer_append_char(&frame, (char)(payload.len >> shift));
    }
    static const char mask[4] = {0x12, 0x34, 0x56, 0x78};
    if (masked) buffer_append(&frame, mask, 4);
    for (size_t i = 0; i < payload.len; i++)
        buffer_append_char(&frame, masked ? (char)(payload.ptr[i] ^ mask[i & 3]) : payload.ptr[i]);
    raw_send(raw, frame.ptr, frame.len);
    buffer_done(&frame);
}

bool raw_peek_frame(struct raw *raw, struct raw_frame *frame_r) {
    const uint8_t *at = (const uint8_t *)raw->in.ptr;
    if (raw->in.len < 2) return false;
    assert_false(at[1] & 0x80);
    size_t head = 2, len = at[1];
    if (len == 126) {
        if (raw->in.len < 4) return false;
        len = (size_t)(at[2] << 8 | at[3]);
        head = 4;
    } else if (len == 127) {
        if (raw->in.len < 10) return false;
        len = 0;
        for (int i = 2; i < 10; i++) len = len << 8 | at[i];
        head = 10;
    }
    if (raw->in.len < head + len) return false;
    *frame_r = (struct raw_frame){at[0], {raw->in.ptr + head, len}, head + len};
    return true;
}

struct raw_frame raw_next_frame(struct raw *raw) {
    struct raw_frame frame = {0};
    RAW_UNTIL(raw, raw_peek_frame(raw, &frame) || raw->eof);
    return frame;
}

void raw_next(struct raw *raw, const struct raw_frame *frame) {
    buffer_consume(&raw->in, frame->len);
}

int raw_close_code(struct raw *raw) {
    for (;;) {
        struct raw_frame frame = raw_next_frame(raw);
        if (frame.len == 0) return 0;
        if ((frame.first & 0x0f) == 8)
            return frame.payload.len >= 2 ? (uint8_t)frame.payload.ptr[0] << 8 | (uint8_t)frame.payload.ptr[1] : 1005;
        raw_next(raw, &frame);
    }
}

void expect_echo(struct raw *client, uint8_t first, struct slice payload) {
    struct raw_frame frame = raw_next_frame(client);
    assert_int_equal(frame.first, first);
    assert_int_equal(frame.payload.len, payload.len);
    assert_memory_equal(frame.payload.ptr, payload.ptr, payload.len);
    raw_next(client, &frame);
}
