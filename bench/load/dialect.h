/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.h - a protocol of a server: how a client greets it, publishes, and reads what comes in. */
#ifndef LOAD_DIALECT_H
#define LOAD_DIALECT_H

#include "base/slice.h"
#include "load/client.h"
#include "load/wire.h"

struct dialect {
    const char *name;
    const char *path; /* of the request, unless the plan has another */
    bool answers;     /* publishing is acknowledged: the acknowledgement, not the message, allows the next one */
    void (*opened)(struct client *client);
    void (*take)(struct client *client, struct slice text);
    /* Queues a message with that stamp in its payload. */
    void (*publish)(struct client *client, const struct stamp *stamp, size_t payload_bytes);
};

/* plain: all clients of a path get what one sends. socketio: events join and publish of bench/room.lua and
 * bench/peers/. chat: Stoa's durable messages, acknowledged. json: like socketio, over Stoa's plain WebSocket. NULL: no
 * such dialect. */
const struct dialect *dialect_find(const char *name);

#endif
