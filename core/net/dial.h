/* SPDX-License-Identifier: Apache-2.0 */
/* dial.h - outgoing WebSocket connections: whole messages both ways, bounded, each with deadlines.
 *
 * libwebsockets serves them, on a libuv loop within ours; both are made for the first connection. Names are resolved
 * without waiting (loop/resolver.h), certificates verified against the system's authorities, or those of a file. It
 * knows no Lua. Redirects are not followed, nothing is compressed, no proxy is asked.
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
    struct slice headers;  /* more lines "Name: value\r\n", at most DIAL_HEADERS_MAX, none of the handshake's own */
    const char *ca;        /* PEM file, read once a dialer; NULL: the system's authorities */
    unsigned timeout_ms;   /* from here to the end of the handshake */
    size_t max_message_bytes;
    size_t queue_bytes; /* what may wait, each way; one message may be larger */
};

enum dial_end {
    DIAL_CLOSED,      /* it was open */
    DIAL_UNAVAILABLE, /* there is no such name, nobody listens, or the connection broke in the handshake */
    DIAL_UNTRUSTED,   /* the server's certificate is none for its name, or nobody's that is trusted */
    DIAL_REFUSED,     /* the server's answer is not a WebSocket's */
    DIAL_TIMED_OUT
};

/* From the loop, not within a call of this header. */
struct dial_events {
    void (*opened)(void *owner);
    void (*received)(void *owner); /* a message waits: dial_receive */
    void (*drained)(void *owner);  /* after dial_send said false */
    /* The last call. CLOSED: what the Close frame said that came first; 1006: there was none. */
    void (*closed)(void *owner, enum dial_end end, uint16_t code, struct slice reason);
};

enum dial_fault { DIAL_BAD_URL = 1, DIAL_BAD_CA, DIAL_TOO_MANY };

/* Costs nothing before the first dial_new. */
struct dialer *dialer_new(struct loop *loop);
/* Ends what is left at once; owners hear nothing. Not within a turn. */
void dialer_free(struct dialer **dialer);

/* NULL: fault_r. Everything is copied. */
struct dial *dial_new(struct dialer *dialer, const struct dial_settings *settings, const struct dial_events *events,
                      void *owner, enum dial_fault *fault_r);
/* Subprotocol that the server chose; "": none. Once it has opened. */
const char *dial_protocol(const struct dial *dial);
/* text must be UTF-8. False: queue_bytes wait already, and nothing was taken; drained follows. What is sent while it is
 * closing reaches nobody. */
bool dial_send(struct dial *dial, struct slice message, bool binary) MUST_CHECK;
/* The oldest message that waits; the caller's. False: none. While queue_bytes of them wait, nothing more is read. */
bool dial_receive(struct dial *dial, struct buffer *message_r, bool *binary_r) MUST_CHECK;
/* What was sent before leaves first; closed follows, at the latest after DIAL_CLOSE_MS. reason: at most 123 bytes. */
void dial_close(struct dial *dial, uint16_t code, struct slice reason);
/* Closes it with 1001; the owner hears nothing any more. */
void dial_forget(struct dial **dial);

#endif
