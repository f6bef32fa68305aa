/* SPDX-License-Identifier: Apache-2.0 */
/* A connection from accept to end, whatever its protocol: its input, the memory it holds, how it ends. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop_fd.h"
#include "net/conn_bytes.h"
#include "net/handover.h"
#include "net/listener.h"
#include "net/net_internal.h"
#include "net/tls.h"

enum { LINGER_MS = 1000, RESTING_READ_BYTES = 4096, HEAD_READ_BYTES = 2048 };

void net_reject(const struct conn *conn, const char *reason) {
    char address[ADDRESS_TEXT_MAX];
    address_write(&conn->address, address);
    metric_add_labelled(METRIC_REJECTED, reason, 1);
    LOG(LOG_INFO, "request.rejected", LOG_TEXT("reason", reason), LOG_TEXT("address", address));
}

/* ---- what is unfinished */

static void cut(struct holder *holder) {
    struct conn *conn = CONTAINER(holder, struct unfinished, holder)->conn;
    conn->http ? http_cut(conn) : websocket_cut(conn);
}

/* The client reads nothing: a Close frame would only wait behind the rest. */
static void cut_sending(struct holder *holder) {
    struct conn *conn = CONTAINER(holder, struct unfinished, sending)->conn;
    net_reject(conn, "outbound_budget");
    conn_break(conn);
}

static void deadline_passed(struct loop_timer *timer) {
    struct conn *conn = CONTAINER(timer, struct unfinished, deadline)->conn;
    if (conn->http) {
        http_deadline(conn);
        return;
    }
    if (conn->state == CONN_HTTP) net_reject(conn, "deadline"); /* within the handshake of TLS */
    conn_kill(conn);
}

struct unfinished *conn_unfinished(struct conn *conn) {
    if (conn->unfinished) return conn->unfinished;
    struct unfinished *unfinished = conn->unfinished = NEW(struct unfinished);
    unfinished->conn = conn;
    holder_init(&unfinished->holder, cut);
    holder_join(&unfinished->holder, admission_share(&conn->seat));
    holder_init(&unfinished->sending, cut_sending);
    loop_timer_init(&unfinished->deadline, conn->host->server->loop, deadline_passed);
    return unfinished;
}

static bool is_finished(const struct unfinished *unfinished) {
    return unfinished->unsent.len == 0 && unfinished->unread.len == 0 && unfinished->holder.bytes == 0 &&
           unfinished->sending.bytes == 0 && unfinished->close.len == 0 && !unfinished->has_pong &&
           !loop_timer_pending(&unfinished->deadline);
}

static void forget(struct conn *conn) {
    struct unfinished *unfinished = conn->unfinished;
    if (!unfinished) return;
    memory_budget_hold(conn->host->server->inbound, &unfinished->holder, 0);
    memory_budget_hold(conn->host->server->outbound, &unfinished->sending, 0);
    loop_timer_cancel(&unfinished->deadline);
    buffer_done(&unfinished->unsent);
    buffer_done(&unfinished->unread);
    buffer_done(&unfinished->close);
    buffer_done(&unfinished->pong);
    free(unfinished);
    conn->unfinished = NULL;
}

void conn_settle(struct conn *conn) {
    if (conn->unfinished && is_finished(conn->unfinished)) forget(conn);
}

void conn_set_deadline(struct conn *conn, uint64_t delay_ms) {
    loop_timer_set(&conn_unfinished(conn)->deadline, delay_ms);
}

void conn_cancel_deadline(struct conn *conn) {
    if (conn->unfinished) loop_timer_cancel(&conn->unfinished->deadline);
}

void conn_charge(struct conn *conn) {
    if (conn->state >= CONN_ENDED) return;
    size_t bytes =
        conn_unread(conn).len + inbound_waiting(&conn->in.inbound) + (conn->http ? http_held(conn->http) : 0);
    if (bytes == 0 && !conn->unfinished) return;
    memory_budget_hold(conn->host->server->inbound, &conn_unfinished(conn)->holder, bytes); /* may have cut it off */
}

void conn_charge_unsent(struct conn *conn) {
    if (conn->closing.broken) return; /* what it holds goes with it */
    size_t bytes = conn->http ? http_unsent(conn->http) : conn->unfinished ? conn->unfinished->unsent.len : 0;
    if (bytes == 0 && !conn->unfinished) return;
    memory_budget_hold(conn->host->server->outbound, &conn_unfinished(conn)->sending,
                       bytes); /* may have broken it off */
}

void conn_break(struct conn *conn) {
    conn->closing.broken = true;
    loop_task_cancel(&conn->task);
    loop_flush(conn->host->server->loop, &conn->task);
}

/* ---- what it has received */

/* Bytes per read. Fewer for input that may have to be kept or handed over to another process. */
static size_t room_of(const struct conn *conn) {
    if (conn->http && http_awaits_head(conn->http)) return HEAD_READ_BYTES;
    return conn->paused || conn->blocked ? RESTING_READ_BYTES : READ_BYTES;
}

ssize_t conn_input(struct conn *conn, bool more, char **bytes_r) {
    struct buffer *unread = conn->unfinished ? &conn->unfinished->unread : NULL;
    bool waits = unread && unread->len > 0;
    *bytes_r = waits ? unread->ptr : NULL;
    if (waits && !more) return (ssize_t)unread->len;
    char *to = conn->host->server->read_bytes;
    ssize_t n = conn_bytes_read(conn, to, room_of(conn));
    *bytes_r = to;
    if (n <= 0 || !waits) return n;
    buffer_append(unread, to, (size_t)n);
    *bytes_r = unread->ptr;
    return (ssize_t)unread->len;
}

void conn_used(struct conn *conn, char *bytes, size_t len, size_t used) {
    if (conn->state >= CONN_ENDED) return;
    if (bytes == conn->host->server->read_bytes) {
        if (used < len) buffer_append(&conn_unfinished(conn)->unread, bytes + used, len - used);
        return;
    }
    struct buffer *unread = &conn->unfinished->unread;
    buffer_consume(unread, used);
    if (unread->len == 0) buffer_done(unread);
}

/* ---- its end */

static void reap(struct loop_task *task) {
    struct conn *conn = CONTAINER(task, struct conn, task);
    struct net_host *host = conn->host;
    if (--host->conns == 0 && host->retired) loop_post(host->server->loop, &host->server->sweep);
    free(conn);
}

/* Tells its owners, and frees everything that closing TCP does not need. */
static void part(struct conn *conn, enum conn_state state) {
    loop_task_cancel(&conn->task);
    if (conn->state == CONN_HTTP && !conn->http && conn->tls) conn->host->server->shaking--;
    conn->state = (uint8_t)state;
    http_gone(conn);
    websocket_gone(conn);
    forget(conn);
}

bool conn_move(struct conn *conn, const struct address *address, unsigned *retry_after_s_r) {
    struct net_server *server = conn->host->server;
    struct holder *holder = conn->unfinished ? &conn->unfinished->holder : NULL;
    if (!server->events.seat) return true;
    if (holder) holder_join(holder, NULL); /* the share may go with the seat */
    bool seated = server->events.seat(server->owner, address, &conn->seat, retry_after_s_r) == ADMIT;
    if (holder) holder_join(holder, admission_share(&conn->seat));
    return seated;
}

void conn_kill(struct conn *conn) {
    struct net_server *server = conn->host->server;
    if (conn->state == CONN_GONE) return;
    part(conn, CONN_GONE);
    loop_fd_free(&conn->watch);
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    close(conn->fd);
    list_remove(&conn->link);
    server->conns_len--;
    admission_leave(&conn->seat);
    metric_add(METRIC_CONNECTIONS, -1);
    loop_task_init(&conn->task, reap);
    loop_reap(server->loop, &conn->task);
}

/* RFC 6455, section 7.1.1: the side that closes first waits for the peer to close; otherwise the peer could lose our
 * last bytes. */
void conn_end(struct conn *conn) {
    if (conn->state >= CONN_ENDED) return;
    part(conn, CONN_ENDED);
    conn_bytes_end(conn);
    loop_fd_set(conn->watch, LOOP_READ);
    conn_set_deadline(conn, LINGER_MS);
}

static void run(struct loop_task *task) {
    websocket_run(CONTAINER(task, struct conn, task));
}

static void ready(void *owner, int fd, int what) {
    struct conn *conn = owner;
    if (conn->state == CONN_ENDED) {
        if (!conn_bytes_discard(conn)) conn_kill(conn);
    } else if (conn->http) {
        http_ready(conn, what);
    } else if (conn->state == CONN_HTTP) {
        tls_ready(conn);
    } else {
        websocket_ready(conn, what);
    }
}

/* Does not wait for the peer: a live connection holds a descriptor. */
static void give_way(struct seat *seat) {
    struct conn *conn = CONTAINER(seat, struct conn, seat);
    websocket_displaced(conn);
    conn_kill(conn);
}

void conn_rest(struct conn *conn) {
    admission_rest(&conn->seat, give_way);
}

static struct conn *conn_new(struct net_server *server, int fd, const struct address *address, struct seat *seat) {
    struct conn *conn = NEW(struct conn);
    conn->host = server->host;
    conn->fd = fd;
    conn->address = *address;
    conn->seat = *seat;
    *seat = (struct seat){0};
    conn_rest(conn);
    loop_task_init(&conn->task, run);
    list_append(&server->conns, &conn->link);
    conn->host->conns++;
    server->conns_len++;
    metric_add(METRIC_CONNECTIONS, 1);
    conn->watch = loop_fd_new(server->loop, fd, LOOP_READ, ready, conn);
    conn_set_deadline(conn, conn->host->header_timeout_ms);
    return conn;
}

void conn_refuse(int fd, const struct address *address, const char *reason) {
    char text[ADDRESS_TEXT_MAX];
    address_write(address, text);
    metric_add_labelled(METRIC_REJECTED, reason, 1);
    LOG(LOG_INFO, "connection.refused", LOG_TEXT("reason", reason), LOG_TEXT("address", text));
    if (fd >= 0) close(fd);
}

void conn_accept(struct net_server *server, int fd, const struct address *address, struct seat *seat) {
    if (server->host->tls && server->shaking >= HANDSHAKES_MAX) {
        conn_refuse(fd, address, "handshakes");
        admission_leave(seat);
        return;
    }
    struct conn *conn = conn_new(server, fd, address, seat);
    conn->tls = server->host->tls != NULL;
    if (conn->tls)
        server->shaking++;
    else
        http_begin(conn, false);
}

void conn_take(struct net_server *server, int fd, const struct handover *handover, struct seat *seat,
               struct slice unread) {
    struct conn *conn = conn_new(server, fd, &handover->peer, seat);
    conn->tunneled = handover->tunneled;
    buffer_append_slice(&conn_unfinished(conn)->unread, unread);
    http_begin(conn, true);
}
