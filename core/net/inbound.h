/* SPDX-License-Identifier: Apache-2.0 */
/* inbound.h - assembles an inbound WebSocket message from the pieces of its frames, within limits. It validates UTF-8
 * and inflates as the bytes arrive (RFC 6455, section 8.1; RFC 7692). */
#ifndef NET_INBOUND_H
#define NET_INBOUND_H

#include "base/buffer.h"
#include "wire/websocket_reader.h"

struct inflater;
struct inbound_message;

/* One per worker. Starts as {0}. */
struct inbound_shared {
    struct inflater *inflater; /* for messages that arrive in one piece */
    struct buffer message;     /* the message that was handed out last */
};
void inbound_shared_done(struct inbound_shared *shared);

/* {0}: nothing received. */
struct inbound {
    struct inbound_message *message; /* a partly received message; NULL: none */
};

/* More fragments per second that are smaller than FRAGMENT_SMALL bytes are treated as an attack on our CPU time. */
enum { FRAGMENT_SMALL = 16, FRAGMENTS_A_SECOND = 1000 };

/* Bytes held by the unfinished message. */
size_t inbound_waiting(const struct inbound *inbound);
/* Frees the unfinished message. */
void inbound_done(struct inbound *inbound);
/* Returns 0, or the close code. message_r: a complete message, valid until the worker's next call for any connection;
 * ptr is NULL if none is complete. */
unsigned inbound_add(struct inbound *inbound, struct inbound_shared *shared, const struct websocket_found *piece,
                     size_t max_bytes, uint64_t now_ms, struct slice *message_r) MUST_CHECK;

#endif
