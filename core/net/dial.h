/* SPDX-License-Identifier: Apache-2.0 */
/* dial.h - outgoing WebSocket connections: whole messages both ways, bounded, each with deadlines.
 *
 * libwebsockets serves them, on a libuv loop within ours; the first connection creates both. Name resolution does not
 * block (loop/resolver.h). Certificates are verified against the system's authorities or those in a file. It knows no
 * Lua. It follows no redirects, compresses nothing and uses no proxy.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stdint.h>

#include "base/buffer.h"

struct dial;
struct dialer;
struct loop;

enum { DIALS_MAX = 256, DIAL_URL_MAX = 2048, DIAL_HEADERS_MAX = 4096, DIAL_CLOSE_MS = 5000 };

struct dial_settings {
    const char *url;       /* ws:// or wss:// */
    const char *protocols; /* subprotocols, "v2, v1"; NULL: none */
    struct slice headers;  /* extra lines "Name: value\r\n", at most DIAL_HEADERS_MAX; no handshake headers */
    const char *ca;        /* PEM file, read once per dialer; NULL: the system's authorities */
    unsigned timeout_ms;   /* for the whole handshake, name resolution included */
    size_t max_message_bytes;
    size_t queue_bytes; /* limit for queued bytes, each way; one message may be larger */
};

enum dial_end {
    DIAL_CLOSED,      /* after it was open */
    DIAL_UNAVAILABLE, /* unknown name, nobody listens, or the connection broke during the handshake */
    DIAL_UNTRUSTED,   /* the server's certificate is for another name, or no trusted authority signed it */
    DIAL_REFUSED,     /* the server did not accept the WebSocket handshake */
    DIAL_TIMED_OUT
};

/* Called from the loop, never within a function of this header. */
struct dial_events {
    void (*opened)(void *owner);
    void (*received)(void *owner); /* a message is ready for dial_receive */
    void (*drained)(void *owner);  /* after dial_send returned false */
    /* The last call. CLOSED: code and reason of the first Close frame, ours or the peer's; 1006: there was none. */
    void (*closed)(void *owner, enum dial_end end, uint16_t code, struct slice reason);
};

enum dial_fault { DIAL_BAD_URL = 1, DIAL_BAD_CA, DIAL_TOO_MANY };

/* Cheap: libwebsockets starts with the first dial_new. */
struct dialer *dialer_new(struct loop *loop);
/* Ends all connections at once; owners get no callback. Not within a loop turn. */
void dialer_free(struct dialer **dialer);

/* NULL: fault_r says why. Copies all arguments. */
struct dial *dial_new(struct dialer *dialer, const struct dial_settings *settings, const struct dial_events *events,
                      void *owner, enum dial_fault *fault_r);
/* The subprotocol that the server chose; "": none. Valid after opened. */
const char *dial_protocol(const struct dial *dial);
/* text must be UTF-8. False: the queue already holds queue_bytes, and the message was not taken; drained follows.
 * Messages sent while the connection is closing are lost. */
bool dial_send(struct dial *dial, struct slice message, bool binary) MUST_CHECK;
/* The oldest received message; the caller becomes the owner. False: none. Reading stops while received messages hold
 * queue_bytes. */
bool dial_receive(struct dial *dial, struct buffer *message_r, bool *binary_r) MUST_CHECK;
/* Sends queued messages first; closed follows, at the latest after DIAL_CLOSE_MS. reason: at most 123 bytes. */
void dial_close(struct dial *dial, uint16_t code, struct slice reason);
/* Closes it with 1001; the owner gets no more callbacks. */
void dial_forget(struct dial **dial);

#endif
