/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1, one request after the other: heads are parsed strictly (wire/http_head.h); bytes after a head stay for the
 * next reader: the body, the next request, a WebSocket, another process. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop_fd.h"
#include "net/conn_bytes.h"
#include "net/handover.h"
#include "net/http_exchange.h"
#include "net/http_reply.h"
#include "net/http_upgrade.h"
#include "net/tls.h"
#include "net/tunnel.h"
#include "wire/deflate_offer.h"
#include "wire/forwarded.h"
#include "wire/json.h"
#include "wire/utf8.h"

/* ---- what the owner reads of a request */

static const char *const told[] = {
    "host",
    "origin",
    "authorization",
    "content-type",
    "cookie",
    "accept",
    "referer",
    "traceparent",
    "if-none-match",
    "user-agent",
    "x-forwarded-for",
    "access-control-request-method",
    "access-control-request-headers",
};

struct slice http_header(const struct http_request *request, const char *name) {
    return http_head_field(&request->exchange->http->head, name);
}

void http_write_headers_json(const struct http_request *request, struct buffer *out) {
    bool first = true;
    buffer_append_char(out, '{');
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        struct slice value = http_header(request, told[i]);
        if (value.len == 0 || !utf8_valid(value)) continue;
        if (!first) buffer_append_char(out, ',');
        first = false;
        json_write_string(out, slice_of(told[i]));
        buffer_append_char(out, ':');
        json_write_string(out, value);
    }
    buffer_append_char(out, '}');
}

struct slice http_choose_protocol(const struct http_request *request, const char *const *protocols, size_t len) {
    return http_upgrade_protocol(&request->exchange->http->head, protocols, len);
}

bool http_client_certificate(const struct http_request *request, struct buffer *subject_r) {
    const struct http *http = request->exchange->http;
    return http && tls_client_subject(http->conn->ssl, subject_r);
}

/* ---- the exchange */

static void http_free(struct conn *conn) {
    struct http *http = conn->http;
    loop_task_cancel(&http->work);
    tunnel_free(&http->tunnel);
    buffer_done(&http->head_bytes);
    buffer_done(&http->body);
    buffer_done(&http->out);
    shared_file_unref(&http->file);
    free(http);
    conn->http = NULL;
}

/* An exchange that the owner still holds ends with the owner's http_reply, or now if the owner asked for aborted. */
static void abandon(struct http_exchange *exchange) {
    if (!exchange) return;
    exchange->http = NULL;
    if (!exchange->aborted) return;
    exchange->aborted(exchange->owner);
    free(exchange);
}

void http_gone(struct conn *conn) {
    struct http *http = conn->http;
    if (!http) return;
    struct http_exchange *exchange = http->exchange;
    http_free(conn);
    abandon(exchange);
}

static void work(struct loop_task *task);

static void watch(struct http *http, int interest) {
    loop_fd_set(http->conn->watch, interest);
}

static struct http_events *events_of(struct http *http) {
    return &http->conn->host->server->events.http;
}

static void *owner_of(struct http *http) {
    return http->conn->host->server->owner;
}

static struct http_request request_of(struct http *http, bool upgrade) {
    return (struct http_request){
        .method = http->head.method,
        .path = http->head.path,
        .query = http->head.query,
        .body = buffer_slice(&http->body),
        .address = http->address,
        .tls = http->conn->tls || http->conn->tunneled,
        .upgrade = upgrade,
        .exchange = http->exchange,
    };
}

static void exchange_new(struct http *http) {
    http->exchange = NEW(struct http_exchange);
    http->exchange->http = http;
}

void http_reply(struct http_exchange **owned, const struct http_reply *reply) {
    struct http_exchange *exchange = *owned;
    struct http *http = exchange->http;
    *owned = NULL;
    free(exchange);
    if (!http) return; /* the client has gone */
    http->exchange = NULL;
    http->last |= reply->close || http->state == HTTP_OFFERED || http->state == HTTP_BODY;
    const struct conn *conn = http->conn;
    struct http_form form = {.head_only = slice_is(http->head.method, "HEAD"), .close = http->last};
    if (conn->tls || conn->tunneled) form.hsts_s = conn->host->hsts_s;
    http_reply_write(&http->out, reply, &form);
    if (reply->file && !form.head_only) http->file = shared_file_ref(reply->file);
    http->state = HTTP_ANSWER;
    conn_set_deadline(http->conn, http->conn->host->body_timeout_ms);
    loop_flush(http->conn->host->server->loop, &http->work);
}

void http_wait(struct http_exchange *exchange, void (*aborted)(void *owner), void *owner) {
    exchange->aborted = aborted;
    exchange->owner = owner;
}

void http_reject(const struct http_exchange *exchange, const char *reason) {
    if (exchange->http) net_reject(exchange->http->conn, reason);
}

/* The server's own answer, the last one on the connection. */
static bool refuse(struct http *http, unsigned status, struct slice extra, const char *why) {
    struct http_exchange *owners = http->exchange;
    struct buffer fields = {0};
    net_reject(http->conn, why);
    admission_use(&http->conn->seat);
    exchange_new(http);
    buffer_append_slice(&fields, extra);
    struct http_request request = request_of(http, false);
    if (events_of(http)->refused) events_of(http)->refused(owner_of(http), &request, &fields);
    struct http_reply reply = {.status = status, .extra_headers = buffer_slice(&fields), .close = true};
    http_reply(&(struct http_exchange *){http->exchange}, &reply);
    buffer_done(&fields);
    abandon(owners);
    return true;
}

/* For a complete request the owner's answer still follows; discards the input after it. */
void http_cut(struct conn *conn) {
    struct http *http = conn->http;
    if (http->state < HTTP_ASKED) {
        buffer_done(&http->body);
        refuse(http, 503, SLICE("retry-after: 5\r\n"), "inbound_budget");
        return;
    }
    net_reject(conn, "inbound_budget");
    buffer_done(&conn->unfinished->unread);
    http->last = true;
}

bool http_awaits_head(const struct http *http) {
    return http->state == HTTP_HEAD;
}

size_t http_unsent(const struct http *http) {
    return http->sent < http->out.len ? http->out.len - http->sent : 0;
}

size_t http_held(const struct http *http) {
    return http->state == HTTP_BODY ? http->body.len : 0;
}

/* ---- requests for another process */

static int inbox_of(struct http *http) {
    bool ours = http->handed || !events_of(http)->elsewhere;
    http->handed = false;
    return ours ? -1 : events_of(http)->elsewhere(owner_of(http), http->head.path, http->head.query);
}

static void tunnel_woken(void *owner) {
    work(&((struct http *)owner)->work);
}

/* A TLS connection stays here; the other process gets a descriptor that leads to us. */
static bool begin_tunnel(struct http *http, int inbox, struct handover *handover) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return false;
    handover->tunneled = true;
    bool sent = handover_send(inbox, ends[1], handover, SLICE_NONE);
    close(ends[1]);
    if (!sent) {
        close(ends[0]);
        return false;
    }
    http->tunnel = tunnel_new(http->conn, ends[0], tunnel_woken, http);
    conn_charge(http->conn);
    conn_cancel_deadline(http->conn); /* the other process has its own */
    http->state = HTTP_TUNNEL;
    return true;
}

/* unread: the request and the bytes after it. True: the other process has it; this process has closed its descriptor or
 * relays bytes (TLS). */
static bool hand_over(struct http *http, int inbox, struct slice unread) {
    struct conn *conn = http->conn;
    struct handover handover = {.peer = http->peer, .tunneled = conn->tunneled};
    if (conn->ssl) return begin_tunnel(http, inbox, &handover);
    if (!handover_send(inbox, conn->fd, &handover, unread)) return false;
    conn_kill(conn); /* our copy of it */
    return true;
}

static bool tunnel(struct http *http) {
    struct conn *conn = http->conn;
    int interest;
    enum tunnel_state state = tunnel_step(http->tunnel, &interest);
    if (state == TUNNEL_OVER || state == TUNNEL_BROKEN) {
        state == TUNNEL_OVER ? conn_end(conn) : conn_kill(conn);
        return false;
    }
    watch(http, interest);
    if (state == TUNNEL_MORE) loop_post(conn->host->server->loop, &http->work);
    if (state == TUNNEL_ENDING && !loop_timer_pending(&conn_unfinished(conn)->deadline))
        conn_set_deadline(conn, conn->host->body_timeout_ms);
    return false;
}

/* ---- requests */

/* The owner answers at any time. Until then only the client's hang-up is watched. */
static void await_owner(struct http *http, enum http_state state) {
    conn_cancel_deadline(http->conn);
    http->state = state;
    watch(http, LOOP_HANGUP);
}

/* False, as step() has it. */
static bool ask(struct http *http) {
    struct http_exchange *exchange = http->exchange;
    await_owner(http, HTTP_ASKED);
    conn_charge(http->conn);
    if (exchange) {
        exchange->whole(exchange->owner, buffer_slice(&http->body));
        return false;
    }
    exchange_new(http);
    struct http_request request = request_of(http, false);
    events_of(http)->request(owner_of(http), &request);
    return false;
}

/* True: the owner took it. */
static bool offer(struct http *http) {
    if (!events_of(http)->head) return false;
    exchange_new(http);
    await_owner(http, HTTP_OFFERED);
    struct http_exchange *exchange = http->exchange;
    struct http_request request = request_of(http, false);
    if (events_of(http)->head(owner_of(http), &request)) {
        conn_charge(http->conn);
        return true;
    }
    http->exchange = NULL;
    free(exchange);
    return false;
}

/* Sends 100 Continue to a client that waits for it (RFC 9110, section 10.1.1), unless part of the body has arrived. */
static void begin_body(struct http *http) {
    bool waits = http->head.minor == 1 && http_head_lists(&http->head, "expect", "100-continue");
    if (waits && conn_unread(http->conn).len == 0) buffer_append_str(&http->out, "HTTP/1.1 100 Continue\r\n\r\n");
    http->chunks = (struct chunked_reader){0};
    http->state = HTTP_BODY;
    conn_set_deadline(http->conn, http->conn->host->body_timeout_ms);
}

void http_read_body(struct http_exchange *exchange, void (*whole)(void *owner, struct slice body)) {
    struct http *http = exchange->http;
    exchange->whole = whole;
    begin_body(http);
    loop_flush(http->conn->host->server->loop, &http->work);
}

static bool begin_request(struct http *http) {
    const struct http_head *head = &http->head;
    bool sends = slice_is(head->method, "POST") || slice_is(head->method, "PUT") || slice_is(head->method, "PATCH");
    http->last |= head->minor == 0 || http_head_lists(head, "connection", "close");
    if (sends && !head->has_length && !head->chunked) return refuse(http, 411, SLICE_NONE, "length_required");
    if (head->body_bytes == 0 && !head->chunked) return ask(http);
    http->body_max = events_of(http)->body_max(owner_of(http), head->method, head->path);
    if (head->body_bytes > http->body_max) return refuse(http, 413, SLICE_NONE, "body_too_large");
    if (offer(http)) return false;
    begin_body(http);
    return true;
}

/* True: the owner accepted the client; false: the refusal is being sent. */
static bool upgrade_accepted(struct http *http, struct http_upgrade *answer_r, struct deflate_offer *deflate_r) {
    const char *fault;
    unsigned status = http_upgrade_fault(&http->head, deflate_r, &fault);
    if (status == 426) return refuse(http, status, SLICE("sec-websocket-version: 13\r\n"), fault), false;
    if (status) return refuse(http, status, SLICE_NONE, fault), false;
    exchange_new(http);
    struct http_request request = request_of(http, true);
    *answer_r = (struct http_upgrade){.deflate = http->conn->host->deflate};
    events_of(http)->upgrade(owner_of(http), &request, answer_r);
    if (answer_r->refusal.status) {
        answer_r->refusal.close = true;
        http_reply(&(struct http_exchange *){http->exchange}, &answer_r->refusal);
        return false;
    }
    free(http->exchange);
    http->exchange = NULL;
    return true;
}

static bool begin_upgrade(struct http *http) {
    struct conn *conn = http->conn;
    struct http_upgrade accepted;
    struct deflate_offer deflate = {0};
    struct buffer answer = {0};
    if (!upgrade_accepted(http, &accepted, &deflate)) return true;
    if (!accepted.deflate) deflate = (struct deflate_offer){0};
    http_upgrade_write(&answer, &http->head, accepted.protocol, &deflate);
    conn->owner.events = accepted.events;
    conn->owner.of = accepted.owner;
    conn->deflates = deflate.reads_all;
    http_free(conn);
    websocket_begin(conn, deflate.accepted, buffer_slice(&answer));
    buffer_done(&answer);
    return false;
}

/* True: the connection now counts for the client behind the proxy; false: the refusal is being sent. */
static bool name_client(struct http *http) {
    struct conn *conn = http->conn;
    char retry[32];
    unsigned retry_after_s = 1;
    conn->address = http->peer;
    if (!forwarded_client(&http->head, &conn->host->trusted, &conn->address))
        return refuse(http, 400, SLICE_NONE, "forwarded_for"), false;
    if (conn_move(conn, &conn->address, &retry_after_s)) return true;
    snprintf(retry, sizeof retry, "retry-after: %u\r\n", retry_after_s);
    return refuse(http, 503, slice_of(retry), "address_full"), false;
}

static bool is_served(struct http *http) {
    return !events_of(http)->serves || events_of(http)->serves(owner_of(http), http_head_field(&http->head, "host"));
}

static bool head_done(struct http *http, char *bytes, size_t len) {
    admission_use(&http->conn->seat);
    int inbox = inbox_of(http);
    if (inbox >= 0) {
        bool tunnels = http->conn->ssl != NULL;
        if (tunnels) conn_used(http->conn, bytes, len, 0);
        if (hand_over(http, inbox, (struct slice){bytes, len})) return tunnels;
        return refuse(http, 503, SLICE("retry-after: 1\r\n"), "handover");
    }
    buffer_append(&http->head_bytes, bytes, http->head.bytes);
    conn_used(http->conn, bytes, len, http->head.bytes);
    struct slice head = buffer_slice(&http->head_bytes);
    if (http_head_parse(head, head.len, &http->head) != HTTP_HEAD_COMPLETE) abort();
    if (http->trusted && !name_client(http)) return true;
    address_write(&http->conn->address, http->address);
    if (!is_served(http)) return refuse(http, 421, SLICE_NONE, "host");
    return http_head_lists(&http->head, "upgrade", "websocket") ? begin_upgrade(http) : begin_request(http);
}

/* The peer has closed or broken the connection. */
static bool ended(struct http *http) {
    if (http->state == HTTP_HEAD && conn_unread(http->conn).len > 0) net_reject(http->conn, "head");
    conn_kill(http->conn);
    return false;
}

static bool wait_for_more(struct http *http) {
    conn_charge(http->conn);
    watch(http, LOOP_READ);
    return false;
}

/* False: everything is written, or as much as this turn allows, or the connection is gone. */
static bool write_piece(struct http *http, size_t file_bytes) {
    bool is_file = http->sent >= http->out.len;
    size_t at = http->sent - (is_file ? http->out.len : 0);
    ssize_t n = is_file ? conn_bytes_send_file(http->conn, http->file->fd, at, file_bytes - at)
                        : conn_bytes_write(http->conn, http->out.ptr + at, http->out.len - at);
    if (n < 0) conn_kill(http->conn);
    if (n == 0) {
        watch(http, LOOP_WRITE);
        conn_charge_unsent(http->conn);
    }
    if (n <= 0) return false;
    http->sent += (size_t)n;
    conn_charge_unsent(http->conn);
    if (is_file) loop_post(http->conn->host->server->loop, &http->work); /* the others' turn */
    return !is_file;
}

/* Parses only after a new line end, so that a client that sends single bytes costs no more than whole lines. */
static enum http_head_result look(struct http *http, const char *bytes, size_t len) {
    size_t max_bytes = http->conn->host->head_bytes;
    if (len < max_bytes && !memchr(bytes + http->seen, '\n', len - http->seen)) return HTTP_HEAD_PARTIAL;
    return http_head_parse((struct slice){bytes, len}, max_bytes, &http->head);
}

static bool read_head(struct http *http) {
    struct conn *conn = http->conn;
    char *bytes;
    ssize_t n = conn_input(conn, http->seen > 0, &bytes);
    if (n < 0) return ended(http);
    if (n == 0) return wait_for_more(http);
    if (http->idle) conn_set_deadline(conn, conn->host->header_timeout_ms);
    http->idle = false;
    switch (look(http, bytes, (size_t)n)) {
        case HTTP_HEAD_PARTIAL:
            http->seen = (size_t)n;
            http->head = (struct http_head){0}; /* the bytes may move */
            conn_used(conn, bytes, (size_t)n, 0);
            return true;
        case HTTP_HEAD_BAD:
            refuse(http, http->head.status, SLICE_NONE, http->head.fault);
            conn_used(conn, bytes, (size_t)n, (size_t)n);
            return true;
        case HTTP_HEAD_COMPLETE:
            break;
    }
    http->seen = 0;
    return head_done(http, bytes, (size_t)n);
}

static bool take_bytes(struct http *http, char *bytes, size_t len) {
    size_t left = (size_t)http->head.body_bytes - http->body.len, taken = len < left ? len : left;
    buffer_append(&http->body, bytes, taken);
    conn_used(http->conn, bytes, len, taken);
    return taken == left ? ask(http) : true;
}

/* Refuses an announced body before it arrives. */
static bool take_chunks(struct http *http, char *bytes, size_t len) {
    const char *at = bytes;
    struct slice piece = SLICE_NONE;
    enum chunked_event event;
    bool fits = true;
    do {
        event = chunked_read(&http->chunks, &at, bytes + len, &piece);
        size_t room = http->body_max - http->body.len, came = event == CHUNKED_PIECE ? piece.len : 0;
        fits = event == CHUNKED_BAD || (came <= room && http->chunks.left <= room - came);
        if (fits && came) buffer_append_slice(&http->body, piece);
    } while (fits && event == CHUNKED_PIECE);
    conn_used(http->conn, bytes, len, (size_t)(at - bytes));
    if (!fits) return refuse(http, 413, SLICE_NONE, "body_too_large");
    if (event == CHUNKED_BAD) return refuse(http, 400, SLICE_NONE, "chunk");
    return event == CHUNKED_END ? ask(http) : true;
}

static bool read_body(struct http *http) {
    char *bytes;
    if (http_unsent(http) > 0) return write_piece(http, 0); /* the interim answer goes first */
    ssize_t n = conn_input(http->conn, false, &bytes);
    if (n < 0) return ended(http);
    if (n == 0) return wait_for_more(http);
    return http->head.chunked ? take_chunks(http, bytes, (size_t)n) : take_bytes(http, bytes, (size_t)n);
}

static void rest(struct http *http) {
    if (http->trusted) conn_move(http->conn, NULL, &(unsigned){0}); /* no client until the next request names one */
    conn_rest(http->conn);
}

/* The connection is ready for its next request. */
static bool next_request(struct http *http) {
    buffer_done(&http->head_bytes);
    buffer_done(&http->body);
    buffer_done(&http->out);
    shared_file_unref(&http->file);
    http->head = (struct http_head){0};
    http->sent = 0;
    http->state = HTTP_HEAD;
    http->idle = true;
    rest(http);
    conn_set_deadline(http->conn, http->conn->host->keepalive_ms);
    return true;
}

static bool write_answer(struct http *http) {
    size_t file_bytes = http->file ? (size_t)http->file->about.st_size : 0;
    if (http->sent < http->out.len + file_bytes) return write_piece(http, file_bytes);
    if (!http->last) return next_request(http);
    conn_end(http->conn);
    return false;
}

/* True: there may be more to do now. False: it waits, or http is freed. */
static bool step(struct http *http) {
    switch (http->state) {
        case HTTP_HEAD:
            return read_head(http);
        case HTTP_BODY:
            return read_body(http);
        case HTTP_ANSWER:
            return write_answer(http);
        case HTTP_TUNNEL:
            return tunnel(http);
        case HTTP_OFFERED:
        case HTTP_ASKED:
            return false;
    }
    return false;
}

static void work(struct loop_task *task) {
    struct http *http = CONTAINER(task, struct http, work);
    while (step(http)) continue;
}

void http_ready(struct conn *conn, int what) {
    loop_part(conn->host->server->loop, "request");
    if (conn->http->state != HTTP_ASKED && conn->http->state != HTTP_OFFERED)
        work(&conn->http->work);
    else if (what & LOOP_HANGUP)
        conn_kill(conn);
}

void http_begin(struct conn *conn, bool handed) {
    struct http *http = NEW(struct http);
    http->conn = conn;
    http->handed = handed;
    http->peer = conn->address;
    http->trusted = networks_have(&conn->host->trusted, &conn->address);
    http->state = HTTP_HEAD;
    conn->http = http;
    rest(http);
    loop_task_init(&http->work, work);
    loop_flush(conn->host->server->loop, &http->work);
}

void http_deadline(struct conn *conn) {
    struct http *http = conn->http;
    bool late_request = http->state == HTTP_BODY || (http->state == HTTP_HEAD && !http->idle && http->seen);
    if (late_request) {
        refuse(http, 408, SLICE_NONE, "deadline");
        return;
    }
    bool quiet = http->state == HTTP_TUNNEL || (http->state == HTTP_HEAD && http->idle);
    if (!quiet) net_reject(conn, "deadline");
    conn_kill(conn);
}
