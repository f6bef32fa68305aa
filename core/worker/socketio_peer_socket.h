/* SPDX-License-Identifier: Apache-2.0 */
/* socketio_peer_socket.h - describes a socket for Node.js servers. */
#ifndef WORKER_SOCKETIO_PEER_SOCKET_H
#define WORKER_SOCKETIO_PEER_SOCKET_H

#include "base/buffer.h"

struct socket;

/* Appends {id, handshake, rooms, data}, each as Socket.IO for Node.js has it; path: of Socket.IO. */
void socketio_peer_socket_write(struct buffer *out, struct socket *socket, struct slice path);

#endif
