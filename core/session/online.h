/* SPDX-License-Identifier: Apache-2.0 */
/* online.h - a socket's connection in presence: begun when scripts say that it counts, ended when the connection is.
 *
 * It is online in the channels whose rooms its socket is in. A socket that is away has no connection, whatever scripts
 * that still wait think of it. Others call online_begin, this folder the rest.
 */
#ifndef SESSION_ONLINE_H
#define SESSION_ONLINE_H

#include "base/memory.h"
#include "base/slice.h"

struct presence_said;
struct socket;

/* The socket's user is online by it, also in the channels whose rooms it is in, until the connection ends. before (may
 * be NULL): what they said of themselves before they went. False: there is no connection. */
bool online_begin(struct socket *socket, const struct presence_said *before) MUST_CHECK;

/* It follows the channel of that room. */
void online_joined(struct socket *socket, struct slice room);
void online_left(struct socket *socket, struct slice room);
/* The connection has ended. */
void online_ended(struct socket *socket);

#endif
