/* SPDX-License-Identifier: Apache-2.0 */
/* online.h - a socket's connection in presence. It begins when scripts say that it counts, and ends with the
 * connection.
 *
 * It is online in the channels whose rooms its socket is in. A detached socket has no connection, even if a waiting
 * script still holds its id. Only online_begin is for callers outside this folder.
 */
#ifndef SESSION_ONLINE_H
#define SESSION_ONLINE_H

#include "base/memory.h"
#include "base/slice.h"

struct presence_said;
struct socket;

/* The socket's user is online, also in the channels whose rooms the socket is in, until the connection ends. before
 * (may be NULL): the status that the user set before they went offline. False: there is no connection. */
bool online_begin(struct socket *socket, const struct presence_said *before) MUST_CHECK;

/* The socket joined the room of a channel. */
void online_joined(struct socket *socket, struct slice room);
void online_left(struct socket *socket, struct slice room);
/* The connection has ended. */
void online_ended(struct socket *socket);

#endif
