/* HTTP/1.1, one request after the other: heads are read strictly (wire/http_head.h) and exactly, so that no byte is
 * read twice or in two ways. A WebSocket handshake stays in the socket, for libwebsockets, which is more lenient. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "net/handover.h"
#include "net/http_exchange.h"
#include "net/tunnel.h"

enum { KEEPALIVE_MS = 60000, LINGER_MS = 1000, BODY_STEP = 65536 };

static void http_free(struct conn *conn) {
    struct http *http = conn->http;
    loop_fd_free(&http->watch);
    loop_task_cancel(&http->work);
    tunnel_free(&http->tunnel);
    buffer_done(&http->head_bytes);
    buffer_done(&http->body);
    buffer_done(&http->out);
    free(http);
    conn->http = NULL;
}

/* The exchange that the owner still holds ends with his call of http_reply, or now, if he wants to hear. */
void http_gone(struct conn *conn) {
    struct http *http = conn->http;
    if (!http) return;
    struct http_exchange *exchange = http->exchange;
    if (http->state == HTTP_LWS || http->state == HTTP_HANDSHAKE) net_reject(conn, "head");
    http_free(conn);
    if (!exchange) return;
    exchange->http = NULL;
    if (!exchange->aborted) return;
    exchange->aborted(exchange->owner);
    free(exchange);
}

void http_rest(struct conn *conn) {
    loop_fd_free(&conn->http->watch);
}

static void work(struct loop_task *task);

static void watch(struct http *http, int interest) {
    if (http->watch) loop_fd_set(http->watch, interest);
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
        .address = http->conn->address,
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
    http->last |= reply->close;
    http_write_reply(&http->out, reply, slice_is(http->head.method, "HEAD"), http->last);
    http->state = HTTP_ANSWER;
    loop_timer_set(&http->conn->deadline, http->conn->host->body_timeout_ms);
    loop_flush(http->conn->host->server->loop, &http->work);
}

void http_wait(struct http_exchange *exchange, void (*aborted)(void *owner), void *owner) {
    exchange->aborted = aborted;
    exchange->owner = owner;
}

void http_reject(const struct http_exchange *exchange, const char *reason) {
    if (exchange->http) net_reject(exchange->http->conn, reason);
}

/* An answer of the server's own: the last one. */
static bool refuse(struct http *http, unsigned status, struct slice extra, const char *why) {
    struct http_reply reply = {.status = status, .extra_headers = extra, .close = true};
    net_reject(http->conn, why);
    exchange_new(http);
    http_reply(&(struct http_exchange *){http->exchange}, &reply);
    return true;
}

void http_cut(struct conn *conn) {
    buffer_done(&conn->http->body);
    refuse(conn->http, 503, SLICE("retry-after: 5\r\n"), "inbound_budget");
}

static bool linger(struct http *http) {
    http->state = HTTP_LINGER;
    socket_end(http->conn);
    loop_timer_set(&http->conn->deadline, LINGER_MS);
    return true;
}

/* ---- a request that is another process's */

static int inbox_of(struct http *http) {
    bool ours = http->conn->handed || !events_of(http)->elsewhere;
    http->conn->handed = false;
    return ours ? -1 : events_of(http)->elsewhere(owner_of(http), http->head.path, http->head.query);
}

static void tunnel_woken(void *owner) {
    work(&((struct http *)owner)->work);
}

/* What is encrypted stays here; the other process gets a descriptor that leads to us. */
static bool begin_tunnel(struct http *http, int inbox, struct handover *handover) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return false;
    handover->tunneled = true;
    bool sent = handover_send(inbox, ends[1], handover);
    close(ends[1]);
    if (!sent) {
        close(ends[0]);
        return false;
    }
    struct buffer read = {0};
    if (http->head_from_lws) {
        buffer_append_slice(&read, buffer_slice(&http->head_bytes));
        buffer_append_slice(&read, buffer_slice(&http->body));
    }
    http->tunnel = tunnel_new(http->conn, ends[0], buffer_slice(&read), tunnel_woken, http);
    buffer_done(&read);
    loop_timer_cancel(&http->conn->deadline); /* the other process has its own */
    lws_set_timeout(http->conn->wsi, NO_PENDING_TIMEOUT, 0);
    http->state = HTTP_TUNNEL;
    return true;
}

static bool hand_over(struct http *http, int inbox) {
    struct conn *conn = http->conn;
    struct handover handover = {.tunneled = conn->tunneled};
    snprintf(handover.address, sizeof handover.address, "%s", conn->address);
    if (conn->wsi && begin_tunnel(http, inbox, &handover)) return true;
    if (conn->wsi || !handover_send(inbox, conn->fd, &handover))
        return refuse(http, 503, SLICE("retry-after: 1\r\n"), "handover");
    conn_kill(conn); /* our copy of it */
    return false;
}

static bool tunnel(struct http *http) {
    struct conn *conn = http->conn;
    int interest;
    enum tunnel_state state = tunnel_step(http->tunnel, &interest);
    if (state == TUNNEL_OVER) return linger(http);
    if (state == TUNNEL_BROKEN) {
        conn_kill(conn);
        return false;
    }
    watch(http, interest);
    if (state == TUNNEL_MORE) loop_post(conn->host->server->loop, &http->work);
    if (state == TUNNEL_ENDING && !loop_timer_pending(&conn->deadline))
        loop_timer_set(&conn->deadline, conn->host->body_timeout_ms);
    return false;
}

/* ---- requests */

/* False, as step() has it: the owner may take his time. Only the client's hanging up is watched for. */
static bool ask(struct http *http) {
    int inbox = http->head_from_lws ? inbox_of(http) : -1;
    conn_hold(http->conn, 0);
    if (inbox >= 0) return hand_over(http, inbox);
    loop_timer_cancel(&http->conn->deadline);
    http->state = HTTP_ASKED;
    watch(http, LOOP_HANGUP);
    exchange_new(http);
    struct http_request request = request_of(http, false);
    events_of(http)->request(owner_of(http), &request);
    return false;
}

/* The head is out of the socket and correct. */
static bool begin_request(struct http *http) {
    const struct http_head *head = &http->head;
    bool sends = slice_is(head->method, "POST") || slice_is(head->method, "PUT") || slice_is(head->method, "PATCH");
    http->last |= head->minor == 0 || http_list_has(http_head_field(head, "connection"), "close");
    if (sends && !head->has_length) return refuse(http, 411, SLICE_NONE, "length_required");
    if (head->body_bytes == 0) return ask(http);
    if (head->body_bytes > events_of(http)->body_max(owner_of(http), head->method, head->path))
        return refuse(http, 413, SLICE_NONE, "body_too_large");
    http->state = HTTP_BODY;
    loop_timer_set(&http->conn->deadline, http->conn->host->body_timeout_ms);
    conn_hold(http->conn, (size_t)http->head.body_bytes);
    return true;
}

/* 0: the owner takes the client. Else the answer is on its way. */
static bool upgrade_accepted(struct http *http) {
    const char *fault;
    unsigned status = http_upgrade_fault(&http->head, &fault);
    if (status == 426) return refuse(http, status, SLICE("sec-websocket-version: 13\r\n"), fault), false;
    if (status) return refuse(http, status, SLICE_NONE, fault), false;
    exchange_new(http);
    struct http_request request = request_of(http, true);
    struct http_upgrade answer = {0};
    events_of(http)->upgrade(owner_of(http), &request, &answer);
    if (answer.refusal.status) {
        answer.refusal.close = true;
        http_reply(&(struct http_exchange *){http->exchange}, &answer.refusal);
        return false;
    }
    free(http->exchange);
    http->exchange = NULL;
    http->conn->events = answer.events;
    http->conn->owner = answer.owner;
    http->conn->accepted = true;
    return true;
}

/* Libwebsockets reads the handshake, which is still in the socket, and what follows. */
static bool begin_upgrade(struct http *http) {
    struct conn *conn = http->conn;
    if (!upgrade_accepted(http)) {
        http->head = (struct http_head){0}; /* its bytes are the caller's */
        return true;
    }
    http_free(conn);
    socket_cork(conn, true);
    conn_hand_over(conn);
    return false;
}

/* Takes the head out of the socket, where it was looked at, and keeps it. */
static bool take_head(struct http *http, const char *bytes_seen) {
    buffer_append(&http->head_bytes, bytes_seen, http->head.bytes);
    if (http_head_parse(buffer_slice(&http->head_bytes), &http->head) != HTTP_HEAD_COMPLETE) abort();
    for (size_t left = http->head.bytes; left > 0;) {
        char bytes[HTTP_HEAD_MAX];
        ssize_t n = socket_read(http->conn, bytes, left);
        if (n <= 0) {
            conn_kill(http->conn);
            return false;
        }
        left -= (size_t)n;
    }
    return begin_request(http);
}

static bool head_unfinished(struct http *http, size_t len) {
    struct conn *conn = http->conn;
    if (conn->tls || conn->tunneled) { /* no more than one record can be looked at, no more than this be waited for */
        watch(http, 0);
        http->state = HTTP_LWS;
        conn_hand_over(conn);
        return false;
    }
    if (len == http->seen) { /* woken without more: the peer has ended */
        net_reject(conn, "head");
        conn_kill(conn);
        return false;
    }
    http->seen = len;
    socket_wake_beyond(conn, len);
    watch(http, LOOP_READ);
    return false;
}

static bool read_head(struct http *http) {
    char bytes[HTTP_HEAD_MAX];
    ssize_t n = socket_peek(http->conn, bytes, sizeof bytes);
    if (n < 0) {
        conn_kill(http->conn);
        return false;
    }
    if (n == 0) {
        watch(http, LOOP_READ);
        return false;
    }
    if (http->idle) loop_timer_set(&http->conn->deadline, http->conn->host->header_timeout_ms);
    http->idle = false;
    enum http_head_result result = http_head_parse((struct slice){bytes, (size_t)n}, &http->head);
    if (result == HTTP_HEAD_PARTIAL) return head_unfinished(http, (size_t)n);
    if (http->seen) socket_wake_beyond(http->conn, 0);
    http->seen = 0;
    if (result == HTTP_HEAD_BAD) return refuse(http, http->head.status, SLICE_NONE, http->head.fault);
    int inbox = inbox_of(http);
    if (inbox >= 0) return hand_over(http, inbox);
    return http_head_field(&http->head, "upgrade").ptr ? begin_upgrade(http) : take_head(http, bytes);
}

static bool read_body(struct http *http) {
    size_t left = (size_t)http->head.body_bytes - http->body.len;
    if (left == 0) return ask(http);
    if (http->body_from_lws) return false;
    if (left > BODY_STEP) left = BODY_STEP;
    ssize_t n = socket_read(http->conn, buffer_reserve(&http->body, left), left);
    if (n > 0) {
        http->body.len += (size_t)n;
        return true;
    }
    if (n < 0)
        conn_kill(http->conn);
    else
        watch(http, LOOP_READ);
    return false;
}

/* The connection is ready for its next request. */
static bool next_request(struct http *http) {
    buffer_done(&http->head_bytes);
    buffer_done(&http->body);
    buffer_done(&http->out);
    http->sent = 0;
    http->state = HTTP_HEAD;
    http->idle = true;
    loop_timer_set(&http->conn->deadline, KEEPALIVE_MS);
    return true;
}

static bool write_answer(struct http *http) {
    size_t left = http->out.len - http->sent;
    if (left == 0) return http->last ? linger(http) : next_request(http);
    ssize_t n = socket_write(http->conn, http->out.ptr + http->sent, left);
    if (n > 0) {
        http->sent += (size_t)n;
        return true;
    }
    if (n < 0)
        conn_kill(http->conn);
    else
        watch(http, LOOP_WRITE);
    return false;
}

static bool discard(struct http *http) {
    if (socket_discard(http->conn))
        watch(http, LOOP_READ);
    else
        conn_kill(http->conn);
    return false;
}

/* True: there may be more to do at once. False: it waits, or is gone. */
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
        case HTTP_LINGER:
            return discard(http);
        case HTTP_HANDSHAKE:
        case HTTP_LWS:
        case HTTP_ASKED:
            return false;
    }
    return false;
}

static void work(struct loop_task *task) {
    struct http *http = CONTAINER(task, struct http, work);
    if (!http->watch) return;
    while (step(http)) continue;
}

static void ready(void *owner, int fd, int what) {
    struct http *http = owner;
    if (http->state == HTTP_ASKED && what & LOOP_HANGUP)
        conn_kill(http->conn);
    else
        work(&http->work);
}

void http_begin(struct conn *conn) {
    struct loop *loop = conn->host->server->loop;
    struct http *http = NEW(struct http);
    http->conn = conn;
    conn->http = http;
    loop_task_init(&http->work, work);
    loop_timer_set(&conn->deadline, conn->host->header_timeout_ms);
    http->watch = loop_fd_new(loop, conn->fd, 0, ready, http);
    http->state = conn->tls ? HTTP_HANDSHAKE : HTTP_HEAD;
    if (conn->tls)
        conn_hand_over(conn);
    else
        loop_flush(loop, &http->work);
}

/* From within libwebsockets: it rests from now on. */
static void take_over(struct http *http) {
    lws_rx_flow_control(http->conn->wsi, 0);
    loop_flush(http->conn->host->server->loop, &http->work);
}

static void handshake_done(struct conn *conn) {
    if (!conn->http || conn->http->state != HTTP_HANDSHAKE) return; /* session tickets are handshakes, too */
    conn->http->state = HTTP_HEAD;
    take_over(conn->http);
}

void http_deadline(struct conn *conn) {
    struct http *http = conn->http;
    bool late_request = http->state == HTTP_BODY || (http->state == HTTP_HEAD && !http->idle && http->seen);
    if (late_request) {
        refuse(http, 408, SLICE_NONE, "deadline");
        return;
    }
    bool quiet = http->state == HTTP_LINGER || http->state == HTTP_TUNNEL || (http->state == HTTP_HEAD && http->idle);
    if (http->state == HTTP_HANDSHAKE || http->state == HTTP_LWS) http->state = HTTP_LINGER; /* counted here */
    if (!quiet) net_reject(conn, "deadline");
    conn_kill(conn);
}

/* The head of the last request of a TLS connection, from libwebsockets. */
static bool head_from_lws(struct http *http) {
    buffer_clear(&http->head_bytes);
    http_head_rebuild(http->conn->wsi, &http->head_bytes);
    http->last = http->head_from_lws = true;
    http->state = HTTP_HEAD;
    if (http_head_parse(buffer_slice(&http->head_bytes), &http->head) == HTTP_HEAD_COMPLETE) return true;
    refuse(http, http->head.status ? http->head.status : 400, SLICE_NONE, http->head.fault ? http->head.fault : "head");
    return false;
}

static int request_from_lws(struct http *http) {
    lws_set_timeout(http->conn->wsi, NO_PENDING_TIMEOUT, 0);
    if (head_from_lws(http)) begin_request(http);
    http->body_from_lws = http->state == HTTP_BODY;
    if (!http->body_from_lws) take_over(http);
    return 0;
}

static int upgrade_from_lws(struct http *http) {
    if (head_from_lws(http) && upgrade_accepted(http)) {
        http_free(http->conn);
        return 0;
    }
    take_over(http);
    if (socket_write(http->conn, http->out.ptr, http->out.len) <= 0) return -1;
    http->state = HTTP_LINGER;
    return -1;
}

static int body_from_lws(struct http *http, struct slice bytes) {
    if (http->state != HTTP_BODY) return 0; /* of a request that was refused */
    if (bytes.len > http->head.body_bytes - http->body.len) return -1;
    buffer_append_slice(&http->body, bytes);
    return 0;
}

int http_callback(struct conn *conn, enum lws_callback_reasons reason, void *in, size_t len) {
    struct http *http = conn->http;
    switch (reason) {
        case LWS_CALLBACK_SSL_INFO:
            handshake_done(conn);
            return 0;
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
            if (!http) return conn->accepted ? 0 : -1;
            return http->state == HTTP_LWS ? upgrade_from_lws(http) : -1;
        case LWS_CALLBACK_HTTP:
            return http && http->state == HTTP_LWS ? request_from_lws(http) : -1;
        case LWS_CALLBACK_HTTP_BODY:
            return http && len ? body_from_lws(http, (struct slice){in, len}) : 0;
        case LWS_CALLBACK_HTTP_BODY_COMPLETION:
            if (http && http->body_from_lws) take_over(http);
            return 0;
        case LWS_CALLBACK_RAW_ADOPT: /* what it makes of CONNECT */
        case LWS_CALLBACK_RAW_RX:
            return -1;
        case LWS_CALLBACK_CLOSED_HTTP:
            conn_gone(conn);
            return 0;
        default:
            return 0;
    }
}
