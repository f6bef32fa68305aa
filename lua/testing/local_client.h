/* SPDX-License-Identifier: Apache-2.0 */
/* local_client.h - a client within the process: speaks as a WebSocket client would, without sockets.
 *
 * For tests and stoa.testing. What the hub writes is unframed and kept until taken; time is the loop's.
 */
#ifndef LUA_TESTING_LOCAL_CLIENT_H
#define LUA_TESTING_LOCAL_CLIENT_H

#include <stdint.h>

#include "base/buffer.h"

struct hub;
struct local_client;

struct local_client_options {
    bool plain;                /* speaks the plain form instead of Socket.IO */
    const char *endpoint_path; /* of scripts; NULL: none */
    const char *protocol;      /* the subprotocol that a raw one has; NULL: none */
    const char *address;       /* NULL: "127.0.0.1" */
    struct slice query;        /* JSON objects of the handshake; empty: {} */
    struct slice headers;
    bool answers_pings; /* at once, by itself */
};

/* NULL: no script answers at endpoint_path. */
struct local_client *local_client_new(struct hub *hub, const struct local_client_options *options);
/* Goes without a word if it has not gone yet. */
void local_client_free(struct local_client **client);
/* One WebSocket message: Engine.IO text ("40", "42[…]"), any text of a raw one, or bytes. Nothing once closed. */
void local_client_send(struct local_client *client, struct slice message, bool binary);
/* The oldest message that was not taken yet, appended to out; false: none. A ping of the plain form is none. */
bool local_client_take(struct local_client *client, struct buffer *out, bool *binary_r);
/* The client's socket takes nothing more while true. */
void local_client_stall(struct local_client *client, bool stalled);
/* The hub has paused reading. */
bool local_client_paused(const struct local_client *client);
/* The connection breaks: the hub hears of it. */
void local_client_leave(struct local_client *client);
/* Its client closes it. */
void local_client_close(struct local_client *client, uint16_t code, struct slice reason);
/* The hub closed it: with which code and reason (borrowed). */
bool local_client_closed(const struct local_client *client, uint16_t *code_r, struct slice *reason_r);
/* Writes so far. */
unsigned local_client_writes(const struct local_client *client);
/* The Engine.IO session's id. */
struct slice local_client_session_id(const struct local_client *client);

#endif
