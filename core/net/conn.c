/* A connection from its acceptance to its end, whatever it speaks: what it has received, what it holds, how it ends. */
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "net/handover.h"
#include "net/net_state.h"
#include "net/socket.h"

enum { LINGER_MS = 1000, RESTING_READ_BYTES = 4096 };

void net_reject(const struct conn *conn, const char *reason) {
    metric_add_labelled(METRIC_REJECTED, reason, 1);
    LOG(LOG_INFO, "request.rejected", LOG_TEXT("reason", reason), LOG_TEXT("address", conn->address));
}

/* ---- what it holds of unfinished things */

struct held {
    struct holder holder;
    struct conn *conn;
};

static void cut(struct holder *holder) {
    struct conn *conn = CONTAINER(holder, struct held, holder)->conn;
    conn->http ? http_cut(conn) : websocket_cut(conn);
}

static void hold(struct conn *conn, size_t bytes) {
    if (!conn->held && bytes == 0) return;
    if (!conn->held) {
        conn->held = NEW(struct held);
        conn->held->conn = conn;
        holder_init(&conn->held->holder, cut);
    }
    budget_hold(conn->host->server->inbound, &conn->held->holder, bytes); /* may have cut it off */
    if (bytes > 0) return;
    free(conn->held);
    conn->held = NULL;
}

void conn_charge(struct conn *conn) {
    if (conn->state >= CONN_ENDED) return;
    hold(conn, conn->unread.len + inbound_waiting(&conn->inbound) + (conn->http ? http_held(conn->http) : 0));
}

/* ---- what it has received */

ssize_t conn_input(struct conn *conn, bool more, char **bytes_r) {
    struct buffer *unread = &conn->unread;
    *bytes_r = unread->ptr;
    if (unread->len > 0 && !more) return (ssize_t)unread->len;
    char *to = conn->host->server->read_bytes;
    size_t room = conn->paused || conn->blocked ? RESTING_READ_BYTES : READ_BYTES; /* what may have to be kept */
    if (unread->len > 0) to = buffer_reserve(unread, room);
    ssize_t n = socket_read(conn, to, room);
    if (n <= 0) return n;
    if (unread->len == 0) {
        *bytes_r = to;
        return n;
    }
    unread->len += (size_t)n;
    *bytes_r = unread->ptr;
    return (ssize_t)unread->len;
}

void conn_used(struct conn *conn, char *bytes, size_t len, size_t used) {
    struct buffer *unread = &conn->unread;
    if (conn->state >= CONN_ENDED) {
        buffer_done(unread);
    } else if (bytes != unread->ptr) {
        buffer_append(unread, bytes + used, len - used);
    } else {
        buffer_consume(unread, used);
        if (unread->len == 0) buffer_done(unread); /* an idle connection holds nothing */
    }
}

/* ---- its end */

static void reap(struct loop_task *task) {
    struct conn *conn = CONTAINER(task, struct conn, task);
    struct net_host *host = conn->host;
    if (--host->conns == 0 && host->retired) loop_post(host->server->loop, &host->server->sweep);
    free(conn);
}

/* Its owners hear of it, and it holds nothing more, but for what TCP needs to end. */
static void part(struct conn *conn, enum conn_state state) {
    loop_timer_cancel(&conn->deadline);
    loop_task_cancel(&conn->task);
    conn->state = (uint8_t)state;
    hold(conn, 0);
    http_gone(conn);
    websocket_gone(conn);
    buffer_done(&conn->unread);
    buffer_done(&conn->unsent);
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
    metric_set(METRIC_CONNECTIONS, server->conns_len);
    loop_task_init(&conn->task, reap);
    loop_reap(server->loop, &conn->task);
}

/* RFC 6455, section 7.1.1: who closes first waits for the peer to do so too; what was said would be lost to it else. */
void conn_end(struct conn *conn) {
    if (conn->state >= CONN_ENDED) return;
    part(conn, CONN_ENDED);
    socket_end(conn);
    loop_fd_set(conn->watch, LOOP_READ);
    loop_timer_set(&conn->deadline, LINGER_MS);
}

static void deadline_passed(struct loop_timer *timer) {
    struct conn *conn = CONTAINER(timer, struct conn, deadline);
    if (conn->http) {
        http_deadline(conn);
        return;
    }
    if (conn->state == CONN_HTTP) net_reject(conn, "deadline"); /* within the handshake of TLS */
    conn_kill(conn);
}

static void run(struct loop_task *task) {
    websocket_run(CONTAINER(task, struct conn, task));
}

static void ready(void *owner, int fd, int what) {
    struct conn *conn = owner;
    if (conn->state == CONN_ENDED) {
        if (!socket_discard(conn)) conn_kill(conn);
    } else if (conn->http) {
        http_ready(conn, what);
    } else if (conn->state == CONN_HTTP) {
        tls_ready(conn);
    } else {
        websocket_ready(conn, what);
    }
}

static struct conn *conn_new(struct net_server *server, int fd, const char *address) {
    struct conn *conn = memory_new(sizeof *conn + strlen(address) + 1);
    conn->host = server->host;
    conn->fd = fd;
    memcpy(conn->address, address, strlen(address));
    loop_timer_init(&conn->deadline, server->loop, deadline_passed);
    loop_task_init(&conn->task, run);
    list_append(&server->conns, &conn->link);
    conn->host->conns++;
    metric_set(METRIC_CONNECTIONS, ++server->conns_len);
    conn->watch = loop_fd_new(server->loop, fd, LOOP_READ, ready, conn);
    loop_timer_set(&conn->deadline, conn->host->header_timeout_ms);
    return conn;
}

void conn_accept(struct net_server *server, int fd, const char *address) {
    struct conn *conn = conn_new(server, fd, address);
    conn->tls = server->host->tls != NULL;
    if (!conn->tls) http_begin(conn);
}

void conn_take(struct net_server *server, int fd, const struct handover *handover, struct slice unread) {
    struct conn *conn = conn_new(server, fd, handover->address);
    conn->tunneled = handover->tunneled;
    conn->handed = true;
    buffer_append_slice(&conn->unread, unread);
    http_begin(conn);
}
