/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.h - packets queued for one client: references to shared packets, bounded.
 *
 * Each flush of a client is one write. A single packet is written from its shared bytes; several are gathered, once for
 * all clients with the same queue. When the outbox is full, packets that may be lost are dropped first (volatile, then
 * presence); control is never shed. The outbox knows no sockets: the caller learns from the verdict that a message
 * found no room.
 */
#ifndef SESSION_OUTBOX_H
#define SESSION_OUTBOX_H

#include <stdint.h>

#include "base/buffer.h"
#include "wire/packet.h"

struct transport;

enum { PACKET_QUEUE_FEW = 2 };

/* A ring of references. A few fit in the struct; a larger ring is allocated and kept until outbox_queue_rest. {0} is
 * empty. The struct must not be moved. */
struct outbox_queue {
    struct packet **ring;
    uint32_t head, len, cap, bytes;
    struct packet *few[PACKET_QUEUE_FEW];
};
void outbox_queue_push(struct outbox_queue *queue, struct packet *packet);
/* The caller owns the reference; NULL: empty. */
struct packet *outbox_queue_pop(struct outbox_queue *queue);
/* Nothing if it is not queued. */
void outbox_queue_remove(struct outbox_queue *queue, const struct packet *packet);
/* Frees the allocated ring of an empty queue. */
void outbox_queue_rest(struct outbox_queue *queue);
void outbox_queue_done(struct outbox_queue *queue);

/* The bytes gathered last, and their packets. A worker has one; {0} is empty. */
struct gathering {
    struct buffer bytes;
    struct outbox_queue packets;
    enum packet_form form;
    bool full; /* the next packet did not fit */
};
/* Releases the packets, keeps the memory. */
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
    OUTBOX_OVERFLOW /* control beyond its own cap: the client keeps asking and does not read */
};

enum { OUTBOX_CONTROL_FACTOR = 4, OUTBOX_CONTROL_MIN = 4 << 20, OUTBOX_POLL_BYTES = 262144 };

enum outbox_verdict outbox_push(struct outbox *outbox, struct packet *packet, size_t max_bytes);
/* Without a bound: for a replay, which has its own. */
void outbox_push_always(struct outbox *outbox, struct packet *packet);
/* Writes until the transport is full or nothing is left. True: something was written. */
bool outbox_flush(struct outbox *outbox, struct transport *transport, enum packet_form form,
                  struct gathering *gathering);
void outbox_done(struct outbox *outbox);

#endif
