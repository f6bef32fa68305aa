/* SPDX-License-Identifier: Apache-2.0 */
/* handover.h - a client's connection on its way from one process to another, with what was received of its next
 * request.
 *
 * An inbox is a pair of SOCK_SEQPACKET sockets: whoever has one end may send, the owner of the other receives. Nobody
 * waits: a full inbox takes no more.
 */
#ifndef NET_HANDOVER_H
#define NET_HANDOVER_H

#include <stdbool.h>

#include "base/address.h"

struct net_server;

/* What goes with the descriptor. */
struct handover {
    struct address peer; /* what its requests say of whom it speaks for goes with them */
    bool tunneled;       /* the descriptor leads to a process that speaks TLS with the peer */
};

/* unread: at most HANDOVER_BYTES. False: the inbox is full, or its process has no descriptors left. fd stays the
 * caller's, to close. */
enum { HANDOVER_BYTES = 131072 };
bool handover_send(int inbox, int fd, const struct handover *handover, struct slice unread) MUST_CHECK;

struct handover_inbox;
struct handover_inbox *handover_inbox_new(struct net_server *server, int fd);
void handover_inbox_free(struct handover_inbox **inbox);
/* Closes those that wait in an inbox that nobody reads any more. */
void handover_discard(int inbox_fd);

#endif
