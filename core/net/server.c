/* SPDX-License-Identifier: Apache-2.0 */
#include "net/server.h"

#include <stdlib.h>

#include "net/handover.h"
#include "net/listener.h"
#include "net/net_internal.h"
#include "net/proxied.h"
#include "net/tls.h"

bool net_settings_check(const struct net_settings *settings, struct error *error_r) {
    struct tls *tls = NULL;
    bool good = tls_new(settings, NULL, &tls, error_r);
    tls_free(&tls);
    return good;
}

static bool trusted_of(const struct net_settings *settings, struct networks *trusted_r, struct error *error_r) {
    const char *wrong = networks_parse(settings->trusted_proxies, settings->trusted_proxies_len, trusted_r);
    if (wrong) error_set(error_r, "\"%s\" is no address and no network", wrong);
    return !wrong;
}

struct net_host *net_server_prepare(struct net_server *server, const struct net_settings *settings,
                                    struct error *error_r) {
    struct tls *tls;
    struct networks trusted;
    if (!trusted_of(settings, &trusted, error_r)) return NULL;
    if (!tls_new(settings, &server->tickets, &tls, error_r)) {
        networks_done(&trusted);
        return NULL;
    }
    struct net_host *host = NEW(struct net_host);
    *host = (struct net_host){
        .server = server,
        .tls = tls,
        .max_message_bytes = settings->max_message_bytes,
        .hsts_s = settings->hsts_s,
        .header_timeout_ms = settings->header_timeout_ms,
        .body_timeout_ms = settings->body_timeout_ms,
        .keepalive_ms = settings->keepalive_ms,
        .head_bytes = settings->head_bytes,
        .trusted = trusted,
        .proxy_protocol = settings->proxy_protocol,
        .deflate = settings->deflate,
    };
    list_append(&server->hosts, &host->link);
    return host;
}

static void host_free(struct net_host *host) {
    list_remove(&host->link);
    tls_free(&host->tls);
    networks_done(&host->trusted);
    free(host);
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
        if (host->retired && host->conns == 0) host_free(host);
    }
}

struct net_server *net_server_new(struct loop *loop, const struct net_settings *settings,
                                  const struct net_events *events, void *owner, struct error *error_r) {
    struct net_server *server = NEW(struct net_server);
    server->loop = loop;
    server->events = *events;
    server->owner = owner;
    server->inbound = settings->inbound;
    server->outbound = settings->outbound;
    if (settings->tickets) server->tickets = *settings->tickets;
    list_init(&server->hosts);
    list_init(&server->listeners);
    list_init(&server->conns);
    list_init(&server->proxied);
    list_init(&server->handshakes);
    loop_task_init(&server->sweep, sweep);
    loop_task_init(&server->shake, tls_shake);
    struct net_host *host = net_server_prepare(server, settings, error_r);
    if (!host) {
        net_server_free(&server);
        return NULL;
    }
    net_server_enact(server, &host);
    return server;
}

const struct address *net_named(const struct net_server *server, const struct address *peer) {
    return networks_have(&server->host->trusted, peer) ? NULL : peer;
}

void net_server_listen(struct net_server *server, int listen_fd) {
    listener_new(server, listen_fd);
}

void net_server_stop_listening(struct net_server *server, int listen_fd) {
    listener_end(server, listen_fd);
}

void net_server_open_inbox(struct net_server *server, int inbox_fd) {
    server->inbox = handover_inbox_new(server, inbox_fd);
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
    handover_inbox_free(&server->inbox);
    proxied_end_all(server);
    LIST_EACH(&server->conns, link) conn_kill(CONTAINER(link, struct conn, link));
    loop_turn(server->loop); /* frees them */
    loop_task_cancel(&server->sweep);
    loop_task_cancel(&server->shake);
    LIST_EACH(&server->hosts, link) host_free(CONTAINER(link, struct net_host, link));
    inbound_shared_done(&server->inflating);
    tickets_done(&server->tickets);
    free(server);
    *owned = NULL;
}
