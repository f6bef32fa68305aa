/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.h - what a server speaks: how a client greets it, publishes, and tells apart what comes in. */
#ifndef LOAD_DIALECT_H
#define LOAD_DIALECT_H

#include "base/slice.h"
#include "load/client.h"
#include "load/wire.h"

struct dialect {
    const char *name;
    const char *path; /* of the request, unless the plan names another */
    bool
        answers; /* publishing is acknowledged: that, and not the message itself, is what makes room for the next one */
    void (*opened)(struct client *client);
    void (*take)(struct client *client, struct slice text);
    /* Queues a message with that stamp in its payload. */
    void (*publish)(struct client *client, const struct stamp *stamp, size_t payload_bytes);
};

/* plain: what a client sends is what all of its path get. socketio: events join and publish of bench/room.lua and
 * bench/peers/. chat: Stoa's durable messages, acknowledged. json: as socketio, over Stoa's plain WebSocket. NULL: no
 * such. */
const struct dialect *dialect_find(const char *name);

#endif
