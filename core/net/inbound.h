/* SPDX-License-Identifier: Apache-2.0 */
/* inbound.h - a WebSocket message on its way in, put together from what comes of its frames, within bounds: text is
 * checked and compression undone as the bytes come (RFC 6455, section 8.1; RFC 7692). */
#ifndef NET_INBOUND_H
#define NET_INBOUND_H

#include "base/buffer.h"
#include "wire/websocket_reader.h"

struct inflater;
struct inbound_message;

/* Of a worker. {0} at first. */
struct inbound_shared {
    struct inflater *inflater; /* for messages that come in one piece */
    struct buffer message;     /* the one that was handed out */
};
void inbound_shared_done(struct inbound_shared *shared);

/* {0}: nothing has come. */
struct inbound {
    struct inbound_message *message; /* the one of which a part has come; NULL: none */
};

/* Fragments of fewer bytes than FRAGMENT_SMALL, beyond so many a second: whoever sends them wants us to work. */
enum { FRAGMENT_SMALL = 16, FRAGMENTS_A_SECOND = 1000 };

/* Bytes that the unfinished message holds until the rest comes. */
size_t inbound_waiting(const struct inbound *inbound);
/* Lets go of it. */
void inbound_done(struct inbound *inbound);
/* 0, or the code to close with. message_r: a whole message, valid until the next call of any connection
 * of the worker, or its ptr is NULL. */
unsigned inbound_add(struct inbound *inbound, struct inbound_shared *shared, const struct websocket_found *piece,
                     size_t max_bytes, uint64_t now_ms, struct slice *message_r) MUST_CHECK;

#endif
