/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting: admission comes before any costly work. When descriptors run out, a reserved one is used to turn clients
 * away, so that the loop does not spin. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop_fd.h"
#include "net/net_internal.h"
#include "net/proxied.h"

enum { ACCEPTS_A_TURN = 64, NOTSENT_BYTES = 131072, USER_TIMEOUT_MS = 45000, EXHAUSTED_PAUSE_MS = 100 };

struct listener {
    struct list link; /* in server->listeners */
    struct net_server *server;
    int fd, reserve_fd;
    struct loop_fd *ready;
    struct loop_timer pause;
};

/* Accepted sockets inherit these from the listening one. */
static void set_options(int fd) {
    int on = 1, notsent = NOTSENT_BYTES, user_timeout = USER_TIMEOUT_MS;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &notsent, sizeof notsent);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static void refuse(struct net_server *server, int fd, unsigned retry_after_s) {
    char answer[128];
    int len = snprintf(answer, sizeof answer,
                       "HTTP/1.1 503 Service Unavailable\r\nRetry-After: %u\r\nConnection: close\r\n"
                       "Content-Length: 0\r\n\r\n",
                       retry_after_s);
    if (!server->host->tls && len > 0) {
        ssize_t sent = send(fd, answer, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent == len) shutdown(fd, SHUT_WR);
    }
    close(fd);
}

void listener_admit(struct net_server *server, int fd, const struct address *address, const struct address *named) {
    char text[ADDRESS_TEXT_MAX];
    struct seat seat = {0};
    unsigned retry_after_s = 1;
    switch (server->events.admit(server->owner, named, &seat, &retry_after_s)) {
        case ADMIT:
            metric_add(METRIC_ACCEPTED, 1);
            conn_accept(server, fd, address, &seat);
            return;
        case ADMIT_REFUSE:
            refuse(server, fd, retry_after_s);
            break;
        case ADMIT_DROP:
            close(fd);
            break;
    }
    address_write(address, text);
    LOG(LOG_INFO, "connection.refused", LOG_TEXT("address", text), LOG_NUMBER("retry_after_s", retry_after_s));
}

/* No free descriptor: turns the client away with the reserved one, then pauses accepting for a moment. */
static void exhausted(struct listener *listener) {
    LOG(LOG_ERROR, "listener.descriptors_exhausted", LOG_NUMBER("connections", listener->server->conns_len));
    metric_add_labelled(METRIC_REJECTED, "descriptors", 1);
    if (listener->reserve_fd >= 0) {
        close(listener->reserve_fd);
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) close(fd);
        listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    loop_fd_set(listener->ready, 0);
    loop_timer_set(&listener->pause, EXHAUSTED_PAUSE_MS);
}

static void pause_over(struct loop_timer *timer) {
    loop_fd_set(CONTAINER(timer, struct listener, pause)->ready, LOOP_READ);
}

static void listener_ready(void *owner, int fd, int ready) {
    struct listener *listener = owner;
    const struct net_host *host = listener->server->host;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof peer;
        int accepted = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) exhausted(listener);
            if (errno == ECONNABORTED || errno == EINTR) continue; /* the peer left meanwhile */
            return;
        }
        struct address address = address_of_socket(&peer);
        if (host->proxy_protocol && networks_have(&host->trusted, &address))
            proxied_begin(listener->server, accepted, &address);
        else
            listener_admit(listener->server, accepted, &address, net_named(listener->server, &address));
    }
}

void listener_new(struct net_server *server, int listen_fd) {
    struct listener *listener = NEW(struct listener);
    listener->server = server;
    listener->fd = listen_fd;
    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    set_options(listen_fd);
    loop_timer_init(&listener->pause, server->loop, pause_over);
    listener->ready = loop_fd_new(server->loop, listen_fd, LOOP_READ, listener_ready, listener);
    list_append(&server->listeners, &listener->link);
}

static void listener_free(struct listener *listener) {
    list_remove(&listener->link);
    loop_timer_cancel(&listener->pause);
    loop_fd_free(&listener->ready);
    if (listener->reserve_fd >= 0) close(listener->reserve_fd);
    free(listener);
}

void listener_end(struct net_server *server, int listen_fd) {
    LIST_EACH(&server->listeners, link) {
        struct listener *listener = CONTAINER(link, struct listener, link);
        if (listen_fd < 0 || listener->fd == listen_fd) listener_free(listener);
    }
}
