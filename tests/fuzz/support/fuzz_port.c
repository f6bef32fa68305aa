/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fuzz_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/loop.h"
#include "loop/loop_fd.h"

enum { BACKLOG = 16 };

/* A second socket holds the port while nobody listens. */
static int open_tcp(int port) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) != 0) perror("no port"), abort();
    return fd;
}

const char *fuzz_port_folder(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/stoa-fuzz-%d", (int)getpid());
    return path;
}

static struct sockaddr_un unix_name(enum fuzz_port port) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s/.s.PGSQL.%d", fuzz_port_folder(), (int)port);
    return name;
}

static int open_unix(enum fuzz_port port) {
    struct sockaddr_un name = unix_name(port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mkdir(fuzz_port_folder(), 0700);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) != 0) perror(name.sun_path), abort();
    return fd;
}

static int ports[PORTS];

int fuzz_port(enum fuzz_port port) {
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    if (port != PORT_REDIS) return (int)port;
    if (ports[port] == 0 && getsockname(open_tcp(0), (struct sockaddr *)&name, &len) == 0)
        ports[port] = ntohs(name.sin_port);
    return ports[port];
}

static bool is_ours(const struct sockaddr_in *name) {
    bool is_here = name->sin_family == AF_INET && name->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    for (int i = 0; is_here && i < PORTS; i++)
        if (ports[i] != 0 && ports[i] == ntohs(name->sin_port)) return true;
    return name->sin_family == AF_UNIX;
}

/* In the place of libc's. */
int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len) {
    if (is_ours(to.__sockaddr_in__)) return (int)syscall(SYS_connect, fd, to.__sockaddr_in__, len);
    errno = ECONNREFUSED;
    return -1;
}

static void ready(void *owner, int fd, int what) {
    struct fuzz_server *server = owner;
    int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client >= 0) server->accepted(server, client);
}

void fuzz_server_init(struct fuzz_server *server, struct loop *loop, enum fuzz_port port,
                      void (*accepted)(struct fuzz_server *server, int fd)) {
    *server = (struct fuzz_server){.loop = loop, .port = port, .fd = -1, .accepted = accepted};
    list_init(&server->clients);
}

void fuzz_server_come(struct fuzz_server *server) {
    if (server->fd >= 0) return;
    server->fd = server->port == PORT_REDIS ? open_tcp(fuzz_port(server->port)) : open_unix(server->port);
    if (listen(server->fd, BACKLOG) != 0) perror("no port"), abort();
    server->io = loop_fd_new(server->loop, server->fd, LOOP_READ, ready, server);
}

void fuzz_server_leave(struct fuzz_server *server) {
    if (server->fd < 0) return;
    loop_fd_free(&server->io);
    close(server->fd);
    server->fd = -1;
    if (server->port == PORT_REDIS) return;
    unlink(unix_name(server->port).sun_path);
    rmdir(fuzz_port_folder()); /* the last one */
}
