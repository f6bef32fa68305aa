/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.h - what waits to be written to one client: references to shared packets, bounded.
 *
 * One write a client and flush: a single packet goes from its shared bytes, several are gathered, once for all clients
 * that have the same ones waiting. When there is no room, what may be lost goes first (volatile, then presence);
 * control is never shed. The outbox knows no sockets: whoever pushes hears that a message found no room.
 */
#ifndef SESSION_OUTBOX_H
#define SESSION_OUTBOX_H

#include <stdint.h>

#include "base/buffer.h"
#include "wire/packet.h"

struct transport;

enum { PACKET_QUEUE_FEW = 2 };

/* A ring of references: for a few its own, for more allocated, and kept until packet_queue_rest. {0} is empty. It stays
 * where it is. */
struct outbox_queue {
    struct packet **ring;
    uint32_t head, len, cap, bytes;
    struct packet *few[PACKET_QUEUE_FEW];
};
void outbox_queue_push(struct outbox_queue *queue, struct packet *packet);
/* The caller owns the reference; NULL: empty. */
struct packet *outbox_queue_pop(struct outbox_queue *queue);
/* If it is there. */
void outbox_queue_remove(struct outbox_queue *queue, const struct packet *packet);
/* Gives back the memory of an empty one. */
void outbox_queue_rest(struct outbox_queue *queue);
void outbox_queue_done(struct outbox_queue *queue);

/* What was gathered last, and the packets that it is made of. A worker has one; {0} is empty. */
struct gathering {
    struct buffer bytes;
    struct outbox_queue packets;
    enum packet_form form;
    bool full; /* more would not have fitted */
};
/* Lets go of the packets, keeps the memory. */
void gathering_clear(struct gathering *gathering);
void gathering_done(struct gathering *gathering);

struct outbox {
    struct outbox_queue queue;
    uint32_t control_bytes; /* of queue.bytes */
};

enum outbox_verdict {
    OUTBOX_QUEUED,
    OUTBOX_SHED,    /* the packet itself was dropped, and counted */
    OUTBOX_NO_ROOM, /* a message: not queued */
    OUTBOX_OVERFLOW /* control beyond its own cap: the client reads nothing and asks for more */
};

enum { OUTBOX_CONTROL_FACTOR = 4, OUTBOX_CONTROL_MIN = 4 << 20, OUTBOX_POLL_BYTES = 262144 };

enum outbox_verdict outbox_push(struct outbox *outbox, struct packet *packet, size_t max_bytes);
/* Without a bound (a replay, which has its own). */
void outbox_push_always(struct outbox *outbox, struct packet *packet);
/* Writes until the transport is full or nothing is left. True: something was written. */
bool outbox_flush(struct outbox *outbox, struct transport *transport, enum packet_form form,
                  struct gathering *gathering);
void outbox_done(struct outbox *outbox);

#endif
