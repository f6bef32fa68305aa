/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - tells work under way for a socket's connection when the connection ends. For this folder only. */
#ifndef SESSION_WATCH_H
#define SESSION_WATCH_H

struct socket;

/* Embedded in the work under way. {0} watches no socket. */
struct watch {
    struct watch *next;
    struct socket *socket;              /* NULL: the connection has ended */
    void (*ended)(struct watch *watch); /* the socket is still in its rooms */
};

/* The socket must be connected. */
void watch_begin(struct watch *watch, struct socket *socket);
void watch_end(struct watch *watch);
/* The connection ends. */
void watches_tell(struct socket *socket);

#endif
