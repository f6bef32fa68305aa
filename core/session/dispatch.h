/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch.h - what happens when a client says something. */
#ifndef SESSION_DISPATCH_H
#define SESSION_DISPATCH_H

#include "loop/loop.h"
#include "session/inbox.h"

struct client_event;
struct session;
struct socket;

/* A session's own. */
struct dispatch_queue {
    struct inbox inbox;
    struct loop_task pump;
    struct client_event *event; /* the event at hand; NULL: none */
};

/* In order: at once, or after what waits already. */
void dispatch(struct session *session, const struct arrival *arrival);
/* Goes on with what waits; later. */
void dispatch_pump(struct session *session);
void dispatch_wake(struct session *session);
/* The session ends: nobody waits for the event at hand. */
void dispatch_forget(struct session *session);
/* The socket goes by the server's wish: what its client had sent before it knew finds nobody. */
void dispatch_drop(struct session *session, struct slice namespace_name);
/* The socket goes: the event at hand finds nobody to acknowledge to. */
void dispatch_forget_socket(struct session *session, const struct socket *socket);
bool dispatch_answering(const struct session *session, const struct socket *socket);
/* Events that wait for an answer. */
size_t dispatch_waiting(const struct session *session);

#endif
