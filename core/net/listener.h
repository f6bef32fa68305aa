/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h - new sockets, from accept to admission. core/net only. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

struct address;
struct net_server;

void listener_new(struct net_server *server, int listen_fd);
/* Removes the listener of listen_fd; -1: all. */
void listener_end(struct net_server *server, int listen_fd);
/* Asks admission for this address (NULL: unknown, each request will name the client); takes ownership of the
 * descriptor. */
void listener_admit(struct net_server *server, int fd, const struct address *address, const struct address *named);

#endif
