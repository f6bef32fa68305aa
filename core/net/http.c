/* HTTP over libwebsockets: it parses and keeps connections alive; requests, answers and deadlines are ours.
 *
 * While the owner thinks about an answer, reading rests (lws would read on in the wrong state) and only the peer's
 * hanging up is watched for. */
#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "net/http_exchange.h"

enum { ANSWER_CHUNK = 65536, KEEPALIVE_MS = 60000 };

static void exchange_free(struct conn *conn) {
    struct http_exchange *exchange = conn->exchange;
    if (!exchange) return;
    loop_fd_free(&exchange->hangup);
    buffer_done(&exchange->path);
    buffer_done(&exchange->query);
    buffer_done(&exchange->headers);
    buffer_done(&exchange->body);
    buffer_done(&exchange->out);
    free(exchange);
    conn->exchange = NULL;
}

void http_gone(struct conn *conn) {
    struct http_exchange *exchange = conn->exchange;
    if (!exchange) return;
    if (exchange->state == EXCHANGE_ASKED && !exchange->in_callback) {
        /* the owner still holds it: it ends with his call of http_reply, or now, if he wants to hear */
        exchange->conn = NULL;
        conn->exchange = NULL;
        loop_fd_free(&exchange->hangup);
        if (!exchange->aborted) return;
        exchange->aborted(exchange->owner);
        struct conn dying = {.exchange = exchange};
        exchange_free(&dying);
        return;
    }
    exchange_free(conn);
}

static void hung_up(void *owner, int fd, int ready) {
    struct http_exchange *exchange = owner;
    conn_kill(exchange->conn);
}

static struct http_exchange *exchange_new(struct conn *conn) {
    exchange_free(conn);
    struct http_exchange *exchange = NEW(struct http_exchange);
    exchange->conn = conn;
    conn->exchange = exchange;
    http_head_read(exchange);
    return exchange;
}

static struct http_request request_of(struct http_exchange *exchange, bool upgrade) {
    return (struct http_request){
        .method = exchange->method,
        .path = buffer_slice(&exchange->path),
        .query = buffer_slice(&exchange->query),
        .body = buffer_slice(&exchange->body),
        .address = exchange->conn->address,
        .tls = exchange->conn->host->tls,
        .upgrade = upgrade,
        .exchange = exchange,
    };
}

/* Writes what the socket takes; the callback's result: -1 closes. */
static int flush(struct conn *conn) {
    struct http_exchange *exchange = conn->exchange;
    while (exchange->sent < exchange->out.len) {
        size_t len = exchange->out.len - exchange->sent;
        if (len > ANSWER_CHUNK) len = ANSWER_CHUNK;
        if (lws_write(conn->wsi, (unsigned char *)exchange->out.ptr + exchange->sent, len, LWS_WRITE_HTTP) < 0)
            return -1;
        exchange->sent += len;
        if (lws_partial_buffered(conn->wsi)) break;
    }
    if (exchange->sent < exchange->out.len) {
        lws_callback_on_writable(conn->wsi);
        return 0;
    }
    bool close = exchange->close;
    loop_timer_set(&conn->deadline, KEEPALIVE_MS);
    exchange_free(conn);
    if (close) return -1; /* lws sends what it holds first */
    return lws_http_transaction_completed(conn->wsi) ? -1 : 0;
}

void http_reply(struct http_exchange **owned, const struct http_reply *reply) {
    struct http_exchange *exchange = *owned;
    struct conn *conn = exchange->conn;
    *owned = NULL;
    if (!conn) { /* the client has gone */
        struct conn dying = {.exchange = exchange};
        exchange_free(&dying);
        return;
    }
    exchange->close = exchange->close || reply->close;
    http_write_reply(&exchange->out, reply, slice_is(exchange->method, "HEAD"), exchange->close);
    exchange->state = EXCHANGE_ANSWERED;
    loop_fd_free(&exchange->hangup);
    loop_timer_set(&conn->deadline, conn->host->body_timeout_ms);
    if (exchange->in_callback) return;
    lws_rx_flow_control(conn->wsi, 1); /* lws tells no writability while it is off */
    conn_want_write(conn);
}

void http_wait(struct http_exchange *exchange, void (*aborted)(void *owner), void *owner) {
    exchange->aborted = aborted;
    exchange->owner = owner;
}

/* Hands the complete request over; the callback's result. */
static int ask(struct conn *conn) {
    struct http_exchange *exchange = conn->exchange;
    struct http_request request = request_of(exchange, false);
    loop_timer_cancel(&conn->deadline);
    lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
    exchange->state = EXCHANGE_ASKED;
    exchange->in_callback = true;
    conn->host->server->events.http.request(conn->host->server->owner, &request);
    exchange->in_callback = false;
    if (exchange->state == EXCHANGE_ANSWERED) return flush(conn);
    lws_rx_flow_control(conn->wsi, 0);
    exchange->hangup =
        loop_fd_new(conn->host->server->loop, lws_get_socket_fd(conn->wsi), LOOP_HANGUP, hung_up, exchange);
    return 0;
}

/* An answer of the server's own; closes. */
static int refuse(struct conn *conn, unsigned status, struct slice extra, const char *why) {
    struct http_reply reply = {.status = status, .extra_headers = extra, .close = true};
    struct http_exchange *exchange = conn->exchange;
    if (why) net_reject(conn, why);
    exchange->in_callback = true;
    http_reply(&exchange, &reply);
    conn->exchange->in_callback = false;
    return flush(conn);
}

static int head(struct conn *conn) {
    struct net_server *server = conn->host->server;
    const char *fault = http_head_fault(conn->wsi);
    struct http_exchange *exchange = exchange_new(conn);
    lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0);
    if (fault) return refuse(conn, 400, SLICE_NONE, fault);
    int64_t length = http_head_content_length(conn->wsi);
    bool post = slice_is(exchange->method, "POST");
    if (length < 0 && post) return refuse(conn, 411, SLICE_NONE, "length_required");
    if (length == 0 && post) return 0; /* lws tells the end of the empty body */
    if (length <= 0) return ask(conn);
    exchange->body_max = server->events.http.body_max(server->owner, exchange->method, buffer_slice(&exchange->path));
    if ((uint64_t)length > exchange->body_max) return refuse(conn, 413, SLICE_NONE, "body_too_large");
    exchange->state = EXCHANGE_BODY;
    loop_timer_set(&conn->deadline, conn->host->body_timeout_ms);
    return 0;
}

static int body(struct conn *conn, struct slice piece) {
    struct http_exchange *exchange = conn->exchange;
    if (!exchange || exchange->state != EXCHANGE_BODY) return 0;
    if (exchange->body.len + piece.len > exchange->body_max) return piece.len ? -1 : 0;
    buffer_append_slice(&exchange->body, piece);
    return 0;
}

static int body_complete(struct conn *conn) {
    return conn->exchange && conn->exchange->state == EXCHANGE_BODY ? ask(conn) : 0;
}

/* Before the 101: 0 lets lws go on with the handshake, -1 closes after our refusal has gone out. */
static int upgrade(struct conn *conn) {
    struct net_server *server = conn->host->server;
    const char *fault = http_head_fault(conn->wsi);
    unsigned status = fault ? 400 : http_head_upgrade_fault(conn->wsi);
    struct http_exchange *exchange = exchange_new(conn);
    if (status == 426) return refuse(conn, 426, SLICE("sec-websocket-version: 13\r\n"), "websocket_version"), -1;
    if (status) return refuse(conn, status, SLICE_NONE, fault ? fault : "handshake"), -1;
    struct http_request request = request_of(exchange, true);
    struct http_upgrade answer = {0};
    server->events.http.upgrade(server->owner, &request, &answer);
    if (answer.refusal.status) {
        net_reject(conn, "upgrade_refused");
        answer.refusal.close = true;
        exchange->in_callback = true;
        http_reply(&exchange, &answer.refusal);
        flush(conn);
        return -1;
    }
    exchange_free(conn);
    conn->events = answer.events;
    conn->owner = answer.owner;
    conn->accepted = true;
    return 0;
}

int http_callback(struct conn *conn, enum lws_callback_reasons reason, void *in, size_t len) {
    switch (reason) {
        case LWS_CALLBACK_HTTP:
            return head(conn);
        case LWS_CALLBACK_HTTP_BODY:
            return body(conn, (struct slice){in, len});
        case LWS_CALLBACK_HTTP_BODY_COMPLETION:
            return body_complete(conn);
        case LWS_CALLBACK_HTTP_WRITEABLE:
            return conn->exchange && conn->exchange->state == EXCHANGE_ANSWERED ? flush(conn) : 0;
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
            return upgrade(conn);
        case LWS_CALLBACK_CLOSED_HTTP:
            conn_gone(conn);
            return 0;
        default:
            return 0;
    }
}
