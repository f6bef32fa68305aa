/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h - new sockets, from the listening one to admission. core/net only. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

struct address;
struct net_server;

void listener_new(struct net_server *server, int listen_fd);
/* The one of listen_fd; -1: all. */
void listener_end(struct net_server *server, int listen_fd);
/* Asks admission, for the one who is named (NULL: each request will say it); takes the descriptor. */
void listener_admit(struct net_server *server, int fd, const struct address *address, const struct address *named);

#endif
