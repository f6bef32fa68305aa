/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fuzz_net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "net/handover.h"
#include "net/net_internal.h"
#include "process/worker_slots.h"
#include "support/fuzz_world.h"
#include "worker/router.h"
#include "worker/settings.h"

enum { READ_MAX = 65536, BACKLOG = 64 };

static void settled(void *owner) {
    (void)owner;
}

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    abort();
}

/* Without a path: the kernel finds a name that no folder has. */
static void listen_for_tls(struct fuzz_net *net) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    net->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (net->listen_fd < 0 || bind(net->listen_fd, (struct sockaddr *)&name, sizeof name.sun_family) != 0 ||
        listen(net->listen_fd, BACKLOG) != 0)
        fail("no sockets");
    net_server_listen(net->world->worker.net, net->listen_fd);
}

void fuzz_net_open(struct fuzz_net *net, struct fuzz_world *world) {
    struct worker *worker = &world->worker;
    struct net_settings settings = settings_of_net(worker->config);
    const char *address = "127.0.0.1:0";
    struct error error;
    *net = (struct fuzz_net){.world = world, .listen_fd = -1};
    net->slots = worker_slots_new(1, &address, 1, 1, &error);
    if (!net->slots) fail(error.text);
    worker_slots_close_listening(net->slots); /* nobody comes there */
    worker->place.slots = net->slots;
    net->router = router_new(worker, &net->health);
    settings.inbound = worker->limits.inbound;
    settings.outbound = worker->limits.outbound;
    worker->net = net_server_new(world->loop, &settings, &router_events, net->router, &error);
    if (!worker->net) fail(error.text);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, net->inbox) != 0) fail("no sockets");
    net_server_open_inbox(worker->net, net->inbox[0]);
    if (settings.tls_certificate) listen_for_tls(net);
    health_init(&net->health, worker, settled, NULL);
}

void fuzz_net_close(struct fuzz_net *net) {
    struct worker *worker = &net->world->worker;
    if (net_server_connections(worker->net) > 0) fail("all have left and time has passed, but there are connections");
    if (worker->net->shaking > 0) fail("all have left and time has passed, but handshakes count");
    health_done(&net->health);
    net_server_free(&worker->net);
    router_free(&net->router);
    if (net->listen_fd >= 0) close(net->listen_fd);
    close(net->inbox[0]);
    close(net->inbox[1]);
    worker->place.slots = NULL;
    worker_slots_free(&net->slots);
}

static int dial(const struct fuzz_net *net) {
    struct sockaddr_un name;
    socklen_t len = sizeof name;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || getsockname(net->listen_fd, (struct sockaddr *)&name, &len) != 0 ||
        connect(fd, (struct sockaddr *)&name, len) != 0)
        fail("nobody listens");
    return fd;
}

int fuzz_net_connect(struct fuzz_net *net) {
    if (net->listen_fd >= 0) return dial(net);
    struct handover handover = {.peer = address_of((const unsigned char[]){127, 0, 0, 1}, 4)};
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0 ||
        !handover_send(net->inbox[1], ends[1], &handover, SLICE_NONE))
        fail("no sockets");
    close(ends[1]);
    return ends[0];
}

void fuzz_net_send(int fd, struct slice bytes) {
    if (bytes.len > 0) (void)!send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
}

bool fuzz_net_receive(int fd, struct buffer *out) {
    ssize_t len;
    while ((len = recv(fd, buffer_reserve(out, READ_MAX), READ_MAX, 0)) > 0) out->len += (size_t)len;
    return len < 0 && errno == EAGAIN;
}
