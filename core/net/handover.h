/* SPDX-License-Identifier: Apache-2.0 */
/* handover.h - passes a client's connection from one process to another, with the bytes received so far of its next
 * request.
 *
 * An inbox is a pair of SOCK_SEQPACKET sockets: processes that have one end may send, the owner of the other end
 * receives. Nobody blocks: a full inbox refuses.
 */
#ifndef NET_HANDOVER_H
#define NET_HANDOVER_H

#include <stdbool.h>

#include "base/address.h"

struct net_server;

/* Sent with the descriptor. */
struct handover {
    struct address peer; /* forwarding headers are part of the requests */
    bool tunneled;       /* the descriptor leads to a process that terminates the peer's TLS */
};

/* unread: at most HANDOVER_BYTES. False: the inbox is full, or its process has no free descriptors. The caller keeps fd
 * and closes it. */
enum { HANDOVER_BYTES = 131072 };
bool handover_send(int inbox, int fd, const struct handover *handover, struct slice unread) MUST_CHECK;

struct handover_inbox;
struct handover_inbox *handover_inbox_new(struct net_server *server, int fd);
void handover_inbox_free(struct handover_inbox **inbox);
/* Closes connections left in an inbox that nobody reads any more. */
void handover_discard(int inbox_fd);

#endif
