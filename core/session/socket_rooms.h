/* SPDX-License-Identifier: Apache-2.0 */
/* socket_rooms.h - the rooms that a socket is in. */
#ifndef SESSION_SOCKET_ROOMS_H
#define SESSION_SOCKET_ROOMS_H

#include <stdbool.h>

#include "base/slice.h"

struct socket;

/* Of a socket that is away both change what it will come back to. False: rooms_max reached, or a name over 128 bytes,
 * or it is about to go. */
bool socket_join(struct socket *socket, struct slice room);
/* Its own room it does not leave. */
void socket_leave(struct socket *socket, struct slice room);
bool socket_is_in(struct socket *socket, struct slice room);
/* fn for each room's name (the socket's own id among them). */
void socket_each_room(struct socket *socket, void (*fn)(void *owner, struct slice room), void *owner);

#endif
