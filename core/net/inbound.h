/* inbound.h - a WebSocket message on its way in, put together from pieces of frames, within bounds. */
#ifndef NET_INBOUND_H
#define NET_INBOUND_H

#include "base/buffer.h"

struct inflater;
struct unfinished;

/* {0}: nothing has come. */
struct inbound {
    struct unfinished *unfinished; /* the message at hand; NULL: none, or one that came in one piece */
    struct inflater *inflater;     /* NULL until the peer compresses */
    bool binary;                   /* the message at hand */
    bool resets;                   /* the peer's compression begins afresh with each message */
};

struct inbound_piece {
    struct slice bytes;
    bool binary, compressed; /* of the frame: compressed is its RSV1 */
    bool final;              /* of the message's last frame */
    size_t left;             /* bytes of the frame still to come */
};

/* Bytes of the unfinished message that wait for the rest. */
size_t inbound_waiting(const struct inbound *inbound);
void inbound_done(struct inbound *inbound);
/* 0, or the code to close with. message_r: a whole message, valid until inbound_next, or its ptr is NULL. */
unsigned inbound_add(struct inbound *inbound, const struct inbound_piece *piece, size_t max_bytes,
                     struct slice *message_r) MUST_CHECK;
/* After a whole message. */
void inbound_next(struct inbound *inbound);

#endif
