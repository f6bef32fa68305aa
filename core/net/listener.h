/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h - new sockets, from the listening one to admission. core/net only. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

struct address;
struct net_server;
struct seat;

void listener_new(struct net_server *server, int listen_fd);
/* The one of listen_fd; -1: all. */
void listener_end(struct net_server *server, int listen_fd);
/* Asks admission, for the one who is named (NULL: each request will say it); takes the descriptor. */
void listener_admit(struct net_server *server, int fd, const struct address *address, const struct address *named);

/* conn.c: takes the descriptor, which admission has let in, and the seat. */
void conn_accept(struct net_server *server, int fd, const struct address *address, struct seat *seat);
/* Counts it, logs it, and closes the descriptor, if there is one. */
void conn_refuse(int fd, const struct address *address, const char *reason);

/* server.c: the peer, or NULL: it is a trusted proxy, which says with each request whom it speaks for. */
const struct address *net_named(const struct net_server *server, const struct address *peer);

/* proxied.c: a socket that must begin with a PROXY header; listener_admit is told the client's address. */
void proxied_begin(struct net_server *server, int fd, const struct address *peer);
void proxied_end_all(struct net_server *server);

#endif
