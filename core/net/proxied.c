/* SPDX-License-Identifier: Apache-2.0 */
/* Connections from a trusted balancer begin with a PROXY header. Reads exactly its bytes, before TLS and before
 * admission, which needs the client's address. */
#include "net/proxied.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop_fd.h"
#include "net/listener.h"
#include "net/net_internal.h"
#include "wire/proxy.h"

enum { PROXIED_MAX = 4096 };

struct proxied {
    struct list link;
    struct net_server *server;
    int fd;
    struct loop_fd *watch;
    struct loop_timer deadline;
    struct loop_task reap;
    size_t seen;
    struct address peer;
};

static void reap(struct loop_task *task) {
    free(CONTAINER(task, struct proxied, reap));
}

/* Gives up the descriptor. */
static void end(struct proxied *proxied) {
    loop_fd_free(&proxied->watch);
    loop_timer_cancel(&proxied->deadline);
    list_remove(&proxied->link);
    proxied->server->proxied_len--;
    loop_reap(proxied->server->loop, &proxied->reap);
}

static void too_late(struct loop_timer *timer) {
    struct proxied *proxied = CONTAINER(timer, struct proxied, deadline);
    end(proxied);
    conn_refuse(proxied->fd, &proxied->peer, "proxy_header");
}

static void wake_beyond(int fd, size_t bytes) {
    int low = (int)bytes + 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
}

static void ready(void *owner, int fd, int what) {
    struct proxied *proxied = owner;
    char bytes[PROXY_HEADER_MAX];
    struct proxy_header header;
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_PEEK);
    enum proxy_result result = n > 0 ? proxy_parse((struct slice){bytes, (size_t)n}, &header) : PROXY_BAD;
    if (result == PROXY_PARTIAL && (size_t)n > proxied->seen) {
        proxied->seen = (size_t)n;
        wake_beyond(fd, proxied->seen);
        return;
    }
    end(proxied);
    if (result != PROXY_COMPLETE || recv(fd, bytes, header.bytes, 0) != (ssize_t)header.bytes) {
        conn_refuse(fd, &proxied->peer, "proxy_header");
        return;
    }
    wake_beyond(fd, 0);
    const struct address *address = header.local ? &proxied->peer : &header.address;
    listener_admit(proxied->server, fd, address, header.local ? address : net_named(proxied->server, address));
}

void proxied_begin(struct net_server *server, int fd, const struct address *peer) {
    if (server->proxied_len >= PROXIED_MAX) {
        conn_refuse(fd, peer, "proxy_header");
        return;
    }
    struct proxied *proxied = NEW(struct proxied);
    proxied->server = server;
    proxied->fd = fd;
    proxied->peer = *peer;
    loop_timer_init(&proxied->deadline, server->loop, too_late);
    loop_task_init(&proxied->reap, reap);
    proxied->watch = loop_fd_new(server->loop, fd, LOOP_READ, ready, proxied);
    loop_timer_set(&proxied->deadline, server->host->header_timeout_ms);
    list_append(&server->proxied, &proxied->link);
    server->proxied_len++;
}

void proxied_end_all(struct net_server *server) {
    LIST_EACH(&server->proxied, link) {
        struct proxied *proxied = CONTAINER(link, struct proxied, link);
        end(proxied);
        close(proxied->fd);
    }
}
