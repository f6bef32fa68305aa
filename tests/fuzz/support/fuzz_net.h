/* fuzz_net.h - the sockets of a fuzzer's world: HTTP and WebSocket bytes in and out, over pairs of sockets in place of
 * a network.
 */
#ifndef TESTS_FUZZ_NET_H
#define TESTS_FUZZ_NET_H

#include "base/slice.h"
#include "server/health.h"

struct buffer;
struct fuzz_world;
struct places;
struct router;

struct fuzz_net {
    struct fuzz_world *world;
    struct places *places;
    struct router *router;
    struct health health;
    int inbox[2]; /* connections come as from another process */
};

void fuzz_net_open(struct fuzz_net *net, struct fuzz_world *world);
/* Before the world. Aborts unless all connections are gone. */
void fuzz_net_close(struct fuzz_net *net);
/* A client's end, non-blocking, of a connection; it is the caller's. */
int fuzz_net_connect(struct fuzz_net *net);
/* What the socket takes of it. */
void fuzz_net_send(int fd, struct slice bytes);
/* What is there, appended. False: the server has closed it. */
bool fuzz_net_receive(int fd, struct buffer *out);

#endif
