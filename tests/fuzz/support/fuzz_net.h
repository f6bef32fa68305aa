/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_net.h - the sockets of a fuzzer's world: bytes of HTTP, WebSocket and TLS in and out, over sockets of this
 * machine in place of a network.
 */
#ifndef TESTS_FUZZ_NET_H
#define TESTS_FUZZ_NET_H

#include "base/slice.h"
#include "worker/health.h"

struct buffer;
struct fuzz_world;
struct worker_slots;
struct router;

struct fuzz_net {
    struct fuzz_world *world;
    struct worker_slots *slots;
    struct router *router;
    struct health health;
    int inbox[2];  /* connections come as from another process */
    int listen_fd; /* with TLS they come here; -1: there is none */
};

void fuzz_net_open(struct fuzz_net *net, struct fuzz_world *world);
/* Before the world. Aborts unless all connections are gone. */
void fuzz_net_close(struct fuzz_net *net);
/* The client's end of a new connection, non-blocking; owned by the caller. With TLS, if the configuration has it. */
int fuzz_net_connect(struct fuzz_net *net);
/* Sends as much as the socket takes. */
void fuzz_net_send(int fd, struct slice bytes);
/* Appends all received bytes. False: the server has closed the connection. */
bool fuzz_net_receive(int fd, struct buffer *out);

#endif
