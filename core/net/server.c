#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "net/handover.h"
#include "net/listener.h"
#include "net/net_state.h"
#include "net/tickets.h"
#include "net/tls.h"

/* Lws keeps each unknown header with a head of its own. Its timeouts are only a net below ours. */
enum { HEAD_BYTES = 10240, WRITE_MAX = 4 << 20, LWS_TIMEOUT_S = 3700, GOODBYE_TURNS = 64 };

/* Without it each connection gets a timer in a sorted list: accepting would cost O(connections). */
static const lws_retry_bo_t no_validity_timers = {0};

static void log_lws(int level, const char *line) {
    size_t len = strlen(line);
    while (len > 0 && line[len - 1] == '\n') len--;
    LOG(level == LLL_ERR ? LOG_INFO : LOG_DEBUG, "libwebsockets", LOG_SLICE("text", ((struct slice){line, len})));
}

void net_reject(const struct conn *conn, const char *reason) {
    metric_add_labelled(METRIC_REJECTED, reason, 1);
    LOG(LOG_INFO, "request.rejected", LOG_TEXT("reason", reason), LOG_TEXT("address", conn->address));
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len) {
    if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) return !tickets_attach(user); /* of a host */
    struct conn *conn = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    if (!conn) return 0;
    conn->wsi = wsi;
    if (reason == LWS_CALLBACK_WSI_DESTROY) {
        lws_set_opaque_user_data(wsi, NULL);
        conn_gone(conn);
        return 0;
    }
    return websocket_wants(reason) ? websocket_callback(conn, reason, in, len) : http_callback(conn, reason, in, len);
}

static void reap(struct loop_task *task) {
    struct conn *conn = CONTAINER(task, struct conn, task);
    struct net_host *host = conn->host;
    if (--host->conns == 0 && host->retired) loop_post(host->server->loop, &host->server->sweep);
    free(conn->close_reason);
    free(conn);
}

void conn_gone(struct conn *conn) {
    struct net_server *server = conn->host->server;
    if (conn->fd < 0) return;
    if (conn->wsi) lws_set_opaque_user_data(conn->wsi, NULL);
    conn->wsi = NULL;
    conn->fd = -1;
    loop_timer_cancel(&conn->deadline);
    conn_hold(conn, 0);
    http_gone(conn);
    websocket_gone(conn);
    list_remove(&conn->link);
    server->conns_len--;
    metric_set(METRIC_CONNECTIONS, server->conns_len);
    loop_task_init(&conn->task, reap);
    loop_reap(server->loop, &conn->task);
}

void conn_kill(struct conn *conn) {
    if (conn->fd < 0) return;
    if (conn->http) http_rest(conn);
    if (!conn->wsi) {
        close(conn->fd);
        conn_gone(conn);
        return;
    }
    /* lws would go on waiting for a peer that does not take what is buffered; on a dead socket it does not */
    if (lws_partial_buffered(conn->wsi)) shutdown(conn->fd, SHUT_RDWR);
    lws_set_timeout(conn->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    loop_uv_wake(conn->host->server->loop);
}

static void deadline_passed(struct loop_timer *timer) {
    struct conn *conn = CONTAINER(timer, struct conn, deadline);
    if (conn->http) {
        http_deadline(conn);
        return;
    }
    if (!conn->upgraded) net_reject(conn, "deadline");
    conn_kill(conn);
}

struct held {
    struct holder holder;
    struct conn *conn;
};

static void cut(struct holder *holder) {
    struct conn *conn = CONTAINER(holder, struct held, holder)->conn;
    conn->http ? http_cut(conn) : websocket_cut(conn);
}

void conn_hold(struct conn *conn, size_t bytes) {
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

static struct conn *conn_new(struct net_server *server, int fd, const char *address) {
    struct conn *conn = memory_new(sizeof *conn + strlen(address) + 1);
    conn->host = server->host;
    conn->fd = fd;
    memcpy(conn->address, address, strlen(address));
    loop_timer_init(&conn->deadline, server->loop, deadline_passed);
    websocket_init(conn);
    list_append(&server->conns, &conn->link);
    conn->host->conns++;
    metric_set(METRIC_CONNECTIONS, ++server->conns_len);
    return conn;
}

void conn_accept(struct net_server *server, int fd, const char *address) {
    struct conn *conn = conn_new(server, fd, address);
    conn->tls = server->host->tls;
    http_begin(conn);
}

void conn_take(struct net_server *server, int fd, const struct handover *handover) {
    struct conn *conn = conn_new(server, fd, handover->address);
    conn->tunneled = handover->tunneled;
    conn->handed = true;
    http_begin(conn);
}

static void adopt(struct conn *conn) {
    lws_adopt_desc_t adoption = {
        .vh = conn->host->vhost,
        .type = LWS_ADOPT_HTTP | LWS_ADOPT_SOCKET | (conn->tls ? LWS_ADOPT_ALLOW_SSL : 0),
        .fd.sockfd = conn->fd,
        .opaque = conn,
    };
    conn->wsi = lws_adopt_descriptor_vhost_via_info(&adoption);
    if (conn->wsi)
        lws_set_timeout(conn->wsi, NO_PENDING_TIMEOUT, 0); /* the deadline is ours */
    else
        conn_gone(conn); /* lws has closed the descriptor */
}

/* What TLS has decrypted already wakes nobody: lws is told to read, and to look for more. */
void conn_hand_over(struct conn *conn) {
    struct net_server *server = conn->host->server;
    struct lws_pollfd readable = {.fd = conn->fd, .events = LWS_POLLIN, .revents = LWS_POLLIN};
    if (!conn->wsi) {
        adopt(conn);
    } else {
        lws_rx_flow_control(conn->wsi, 1);
        lws_service_fd(server->context, &readable);
        lws_cancel_service(server->context);
    }
    loop_uv_wake(server->loop);
}

bool net_settings_check(const struct net_settings *settings, struct error *error_r) {
    return !settings->tls_certificate || tls_check(settings->tls_certificate, settings->tls_key, error_r);
}

/* libwebsockets compares the Host of each upgrade with the names of all hosts that it has, and may keep one for long
 * after its last connection (docs/transport.md). */
static void host_over(struct lws_vhost *vhost, void *owner) {
    struct net_host *host = owner;
    if (!host->vhost) return; /* it never came to be */
    list_remove(&host->link);
    free(host);
}

struct net_host *net_server_prepare(struct net_server *server, const struct net_settings *settings,
                                    struct error *error_r) {
    if (!net_settings_check(settings, error_r)) return NULL;
    struct net_host *host = NEW(struct net_host);
    host->server = server;
    host->max_message_bytes = settings->max_message_bytes;
    host->header_timeout_ms = settings->header_timeout_ms;
    host->body_timeout_ms = settings->body_timeout_ms;
    host->tls = settings->tls_certificate != NULL;
    host->proxy_protocol = settings->proxy_protocol;
    host->protocols[0] = (struct lws_protocols){
        .name = "stoa",
        .callback = callback,
        .per_session_data_size = 1, /* lws tells the end only of connections that have some */
        .rx_buffer_size = settings->receive_buffer_bytes,
        .tx_packet_size = WRITE_MAX,
    };
    snprintf(host->name, sizeof host->name, "clients-%u", ++server->hosts_made);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .vhost_name = host->name,
        .protocols = host->protocols,
        .extensions = settings->deflate ? websocket_extensions : NULL,
        .retry_and_idle_policy = &no_validity_timers,
        .timeout_secs_ah_idle = LWS_TIMEOUT_S,
        .finalize = host_over,
        .finalize_arg = host,
    };
    if (host->tls) tls_describe(&info, settings->tls_certificate, settings->tls_key);
    host->vhost = lws_create_vhost(server->context, &info);
    if (!host->vhost) {
        error_set(error_r, "net: libwebsockets refuses the settings of its virtual host");
        free(host);
        return NULL;
    }
    list_append(&server->hosts, &host->link);
    return host;
}

void net_server_abandon(struct net_server *server, struct net_host **host) {
    if (!*host) return;
    (*host)->retired = true;
    loop_post(server->loop, &server->sweep);
    *host = NULL;
}

void net_server_enact(struct net_server *server, struct net_host **host) {
    net_server_abandon(server, &server->host);
    server->host = *host;
    *host = NULL;
}

static void sweep(struct loop_task *task) {
    struct net_server *server = CONTAINER(task, struct net_server, sweep);
    LIST_EACH(&server->hosts, link) {
        struct net_host *host = CONTAINER(link, struct net_host, link);
        if (!host->retired || host->ending || host->conns) continue;
        host->ending = true;
        lws_vhost_destroy(host->vhost);
    }
}

static struct lws_context *context_new(struct net_server *server) {
    void *loops[1] = {loop_uv(server->loop)};
    struct rlimit files;
    lws_set_log_level(LLL_ERR | LLL_WARN, log_lws);
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .foreign_loops = loops,
        .pcontext = &server->context,
        .gid = -1,
        .uid = -1,
        .max_http_header_data = HEAD_BYTES,
        .timeout_secs = LWS_TIMEOUT_S,
        .fd_limit_per_thread = getrlimit(RLIMIT_NOFILE, &files) == 0 ? (unsigned)files.rlim_cur : 0,
        .retry_and_idle_policy = &no_validity_timers,
    };
    return lws_create_context(&info);
}

struct net_server *net_server_new(struct loop *loop, int listen_fd, const struct net_settings *settings,
                                  const struct net_events *events, void *owner, struct error *error_r) {
    struct net_server *server = NEW(struct net_server);
    *server = (struct net_server){.loop = loop, .events = *events, .owner = owner, .inbound = settings->inbound};
    list_init(&server->hosts);
    list_init(&server->listeners);
    list_init(&server->conns);
    list_init(&server->proxied);
    loop_task_init(&server->sweep, sweep);
    server->context = context_new(server);
    if (!server->context) {
        error_set(error_r, "net: libwebsockets does not start (is libwebsockets-evlib-uv installed?)");
        free(server);
        return NULL;
    }
    struct net_host *host = net_server_prepare(server, settings, error_r);
    if (!host) {
        net_server_free(&server);
        return NULL;
    }
    net_server_enact(server, &host);
    net_server_listen(server, listen_fd);
    loop_uv_wake(loop);
    return server;
}

void net_server_listen(struct net_server *server, int listen_fd) {
    listener_new(server, listen_fd);
}

void net_server_stop_listening(struct net_server *server, int listen_fd) {
    listener_end(server, listen_fd);
}

void net_server_open_inbox(struct net_server *server, int inbox_fd) {
    server->inbox = inbox_new(server, inbox_fd);
}

void net_server_stop_accepting(struct net_server *server) {
    listener_end(server, -1);
}

unsigned net_server_connections(const struct net_server *server) {
    return server->conns_len;
}

void net_server_free(struct net_server **owned) {
    struct net_server *server = *owned;
    if (!server) return;
    net_server_stop_accepting(server);
    inbox_free(&server->inbox);
    proxied_end_all(server);
    LIST_EACH(&server->conns, link) conn_kill(CONTAINER(link, struct conn, link));
    /* On a foreign loop it ends in steps, its handles closing in between; it sets server->context to NULL. */
    for (int i = 0; i < GOODBYE_TURNS; i++) {
        if (server->context && i % (GOODBYE_TURNS / 4) == 0) lws_context_destroy(server->context);
        loop_uv_wake(server->loop);
        loop_turn(server->loop);
    }
    LIST_EACH(&server->conns, link) conn_gone(CONTAINER(link, struct conn, link));
    loop_turn(server->loop);
    loop_task_cancel(&server->sweep);
    LIST_EACH(&server->hosts, link) free(CONTAINER(link, struct net_host, link));
    free(server);
    *owned = NULL;
}
