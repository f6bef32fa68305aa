/* SPDX-License-Identifier: Apache-2.0 */
/* local_client.h - an in-process client: acts as a WebSocket client, without sockets.
 *
 * For tests and stoa.testing. It decodes the frames that the hub writes and keeps the messages until a test takes them.
 * It uses the loop's clock.
 */
#ifndef LUA_TESTING_LOCAL_CLIENT_H
#define LUA_TESTING_LOCAL_CLIENT_H

#include <stdint.h>

#include "base/buffer.h"

struct hub;
struct local_client;

struct local_client_options {
    bool plain;                /* uses the plain form instead of Socket.IO */
    const char *endpoint_path; /* of a script's endpoint; NULL: none */
    const char *protocol;      /* subprotocol of a raw client; NULL: none */
    const char *address;       /* NULL: "127.0.0.1" */
    struct slice query;        /* JSON objects of the handshake; empty: {} */
    struct slice headers;
    bool answers_pings; /* immediately, without the test */
};

/* NULL: no script has an endpoint at endpoint_path. */
struct local_client *local_client_new(struct hub *hub, const struct local_client_options *options);
/* If the client is still connected, its connection breaks without a Close frame. */
void local_client_free(struct local_client **client);
/* Sends one WebSocket message: Engine.IO text ("40", "42[…]"), any text from a raw client, or bytes. Does nothing once
 * closed. */
void local_client_send(struct local_client *client, struct slice message, bool binary);
/* Appends the oldest message not taken yet to out; false: none. Skips pings of the plain form. */
bool local_client_take(struct local_client *client, struct buffer *out, bool *binary_r);
/* While stalled, the client's socket accepts no more bytes. */
void local_client_stall(struct local_client *client, bool stalled);
/* True: the hub has paused reading. */
bool local_client_paused(const struct local_client *client);
/* Breaks the connection; the hub is notified. */
void local_client_leave(struct local_client *client);
/* The client closes the connection. */
void local_client_close(struct local_client *client, uint16_t code, struct slice reason);
/* True: the hub closed the connection, with this code and reason (borrowed). */
bool local_client_closed(const struct local_client *client, uint16_t *code_r, struct slice *reason_r);
/* Number of writes so far. */
unsigned local_client_writes(const struct local_client *client);
/* The Engine.IO session's id. */
struct slice local_client_session_id(const struct local_client *client);

#endif
