/* SPDX-License-Identifier: Apache-2.0 */
/* socket_rooms.h - the rooms that a socket is in. */
#ifndef SESSION_SOCKET_ROOMS_H
#define SESSION_SOCKET_ROOMS_H

#include <stdbool.h>

#include "base/slice.h"

struct socket;

/* On a detached socket both change the rooms to which it will come back. False: rooms_max reached, the name is over 128
 * bytes, or the socket is about to end. */
bool socket_join(struct socket *socket, struct slice room);
/* It cannot leave its own room. */
void socket_leave(struct socket *socket, struct slice room);
bool socket_is_in(struct socket *socket, struct slice room);
/* Calls fn for each room's name, including the socket's own id. */
void socket_each_room(struct socket *socket, void (*fn)(void *owner, struct slice room), void *owner);

#endif
