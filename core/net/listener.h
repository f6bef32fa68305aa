/* listener.h - new sockets, from the listening one to admission. core/net only. */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

struct address;
struct net_server;

void listener_new(struct net_server *server, int listen_fd);
/* The one of listen_fd; -1: all. */
void listener_end(struct net_server *server, int listen_fd);
/* Asks admission; takes the descriptor. address: of whom it speaks for, as far as that is known. */
void listener_admit(struct net_server *server, int fd, const struct address *address);

/* proxied.c: a socket that must begin with a PROXY header; listener_admit is told the client's address. */
void proxied_begin(struct net_server *server, int fd, const struct address *peer);
void proxied_end_all(struct net_server *server);

#endif
