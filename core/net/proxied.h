/* SPDX-License-Identifier: Apache-2.0 */
/* proxied.h - sockets that begin with a PROXY header: reads it, then calls listener_admit with the client's address.
 * core/net only. */
#ifndef NET_PROXIED_H
#define NET_PROXIED_H

struct address;
struct net_server;

/* Takes ownership of the descriptor. */
void proxied_begin(struct net_server *server, int fd, const struct address *peer);
void proxied_end_all(struct net_server *server);

#endif
