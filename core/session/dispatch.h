/* SPDX-License-Identifier: Apache-2.0 */
/* dispatch.h - what happens when a client sends something. */
#ifndef SESSION_DISPATCH_H
#define SESSION_DISPATCH_H

#include "loop/loop.h"
#include "session/inbox.h"

struct client_event;
struct session;
struct socket;

/* One a session. */
struct dispatch_queue {
    struct inbox inbox;
    struct loop_task pump;
    struct client_event *event; /* the event being handled; NULL: none */
};

/* Handles arrivals in order: at once, or after those that wait already. */
void dispatch(struct session *session, const struct arrival *arrival);
/* Continues with waiting arrivals; later. */
void dispatch_pump(struct session *session);
void dispatch_wake(struct session *session);
/* The session ends: nobody needs the answer of the event being handled. */
void dispatch_forget(struct session *session);
/* The server ends the socket: drops what its client sent before it learned of the end. */
void dispatch_drop(struct session *session, struct slice namespace_name);
/* The socket ends: the event being handled gets no acknowledgement. */
void dispatch_forget_socket(struct session *session, const struct socket *socket);
bool dispatch_answering(const struct session *session, const struct socket *socket);
/* Events that wait for an answer. */
size_t dispatch_waiting(const struct session *session);

#endif
