/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - one connection of a load: TCP, TLS where wanted, the WebSocket handshake, frames. What the frames say, its
 * dialect knows; what comes of it, its crew. */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "base/buffer.h"

struct crew;

enum client_state {
    CLIENT_NEW,
    CLIENT_CONNECTING, /* TCP, TLS */
    CLIENT_UPGRADING,  /* the request is sent */
    CLIENT_JOINING,    /* the dialect's own greetings */
    CLIENT_READY,
    CLIENT_CLOSED,
};

struct client {
    struct crew *crew;
    unsigned id;
    int fd;
    enum client_state state;
    bool waits_to_write;
    int publisher;     /* -1: none */
    uint32_t sequence; /* of the last message that it published */
    uint64_t started_ns;
    uint64_t last_ack_id; /* acknowledgements: ids only grow */
    uint32_t *last;       /* the last number heard, of each publisher of its channel */
    SSL *ssl;
    struct buffer in, out; /* a frame's first part; what the socket did not take */
};

/* Begins to connect. */
void client_connect(struct client *client);
/* The socket can be read or written. */
void client_step(struct client *client);
/* Queues a text frame; client_flush writes what is queued. */
void client_queue_text(struct client *client, struct slice text);
void client_flush(struct client *client);
/* The dialect's greetings are over. */
void client_joined(struct client *client);
/* A server did what no server should, or refused to let it join: counted, the first one shown, and the connection ends.
 */
void client_broken(struct client *client, struct slice text);
/* Ends it; when that is not wished, it is counted as failed or as closed. */
void client_close(struct client *client, bool wished);

#endif
