/* SPDX-License-Identifier: Apache-2.0 */
/* socket.h - a client's place in one namespace: what scripts call "socket".
 *
 * Borrowed from the hub (hub_find); valid until the loop's next turn. Ids are 20 characters and survive a recovery.
 */
#ifndef SESSION_SOCKET_H
#define SESSION_SOCKET_H

#include <stdint.h>

#include "session/close_reason.h"
#include "wire/packet.h"

struct socket;

struct slice socket_id(const struct socket *socket);
struct slice socket_namespace(const struct socket *socket);
/* The user's id; the JSON object that authenticate returned; the handshake as JSON: {auth, query, headers, address,
 * secure, time}. auth holds what the client sent until its CONNECT is answered; then it is {}. */
struct slice socket_user_id(const struct socket *socket);
struct slice socket_user(const struct socket *socket);
struct slice socket_handshake(const struct socket *socket);
/* The number changes when the user or the connection (and so the handshake) changes. */
unsigned socket_generation(const struct socket *socket);
bool socket_recovered(const struct socket *socket);
/* A JSON value that scripts keep with the socket and that survives a recovery. False: over 4 KiB. */
struct slice socket_state(const struct socket *socket);
bool socket_set_state(struct socket *socket, struct slice json);
/* The session counts as a connection of the socket's user until it ends. False: it counts as one already. */
bool socket_claim(struct socket *socket) MUST_CHECK;
bool socket_is_claimed(const struct socket *socket);
/* The session ends with CLOSE_EXPIRED at this wall-clock time, when its token expires; 0: never. */
void socket_expires(struct socket *socket, uint64_t wall_ms);

/* args: JSON array, the event's name first. False: reserved name, or more than ten attachments. */
bool socket_emit(struct socket *socket, struct slice args, const struct slice *attachments, unsigned attachments_len,
                 enum packet_class class);

/* False: it is detached or about to end. */
bool socket_is_connected(const struct socket *socket);
/* Holds back events to this socket until the event being handled is answered. They follow its acknowledgement in order.
 * (The acknowledgement carries a replayed tail; live events must come after it.) */
void socket_hold(struct socket *socket);
/* Drops one event that is held back. */
void socket_drop_held(struct socket *socket, const struct packet *packet);

/* Leaves the namespace: the client gets DISCONNECT and does not reconnect by itself. A detached socket cannot be
 * recovered any more. */
void socket_disconnect(struct socket *socket);
/* The same for all namespaces of its session, which is closed. */
void socket_expel(struct socket *socket);
/* Closes the session's transport: the client reconnects. */
void socket_close(struct socket *socket, enum close_reason reason);

#endif
