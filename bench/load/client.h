/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - one connection of a load: TCP, TLS if wanted, the WebSocket handshake, frames. Its dialect knows the
 * content of frames; its crew counts the results. */
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
    CLIENT_JOINING,    /* the dialect's greeting */
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
    uint64_t last_ack_id; /* acknowledgement ids only grow */
    uint32_t *last;       /* the last number received from each publisher of its channel */
    SSL *ssl;
    struct buffer in, out; /* first part of a frame; what the socket did not take */
};

/* Begins to connect. */
void client_connect(struct client *client);
/* Call when the socket can be read or written. */
void client_step(struct client *client);
/* Queues a text frame; client_flush writes what is queued. */
void client_queue_text(struct client *client, struct slice text);
void client_flush(struct client *client);
/* The dialect's greeting is done. */
void client_joined(struct client *client);
/* The server broke the protocol or refused the join: counts it, shows the first one, ends the connection. */
void client_broken(struct client *client, struct slice text);
/* Ends the connection. If this is not intended, it is counted as failed or closed. */
void client_close(struct client *client, bool wished);

#endif
