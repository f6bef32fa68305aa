/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_port.h - ports and Unix sockets for the servers of a fuzzer's world. Connections lead to one of them, or
 * nowhere: an answer that names another server reaches none, whatever listens here.
 */
#ifndef TESTS_FUZZ_PORT_H
#define TESTS_FUZZ_PORT_H

#include <stdbool.h>

#include "base/list.h"

struct loop;
struct loop_fd;

enum fuzz_port { PORT_REDIS, PORT_GLOBAL, PORT_SHARD_0, PORT_SHARD_1, PORTS };

/* The number of a TCP port; the same while the process lives, whether somebody listens there or not. */
int fuzz_port(enum fuzz_port port);
/* A database's is a Unix socket: where libpq looks for it, in a folder that is there while one of them is. */
const char *fuzz_port_folder(void);

/* A server there, embedded in its owner; and its connections, embedded in theirs. */
struct fuzz_server {
    struct loop *loop;
    enum fuzz_port port;
    int fd; /* -1: it is away */
    struct loop_fd *io;
    struct list clients;
    void (*accepted)(struct fuzz_server *server, int fd);
};

void fuzz_server_init(struct fuzz_server *server, struct loop *loop, enum fuzz_port port,
                      void (*accepted)(struct fuzz_server *server, int fd));
/* Harmless when it is there. */
void fuzz_server_come(struct fuzz_server *server);
/* Nobody can connect; the connections stay. */
void fuzz_server_leave(struct fuzz_server *server);

#endif
