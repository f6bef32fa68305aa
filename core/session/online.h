/* SPDX-License-Identifier: Apache-2.0 */
/* online.h - a socket's connection in presence: begun when scripts say that it counts, ended when the connection is.
 *
 * It is online in the channels whose rooms its socket is in. A socket that is away has no connection, whatever scripts
 * that still wait think of it. For this folder only; socket_count is what others call.
 */
#ifndef SESSION_ONLINE_H
#define SESSION_ONLINE_H

#include "base/slice.h"

struct socket;

/* It follows the channel of that room. */
void online_joined(struct socket *socket, struct slice room);
void online_left(struct socket *socket, struct slice room);
/* The connection has ended. */
void online_ended(struct socket *socket);

#endif
