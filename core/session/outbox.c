/* SPDX-License-Identifier: Apache-2.0 */
#include "session/outbox.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "net/websocket.h"
#include "session/transport.h"

static struct packet *outbox_queue_at(const struct outbox_queue *queue, uint32_t index) {
    return queue->ring[(queue->head + index) & (queue->cap - 1)];
}

static void free_ring(struct outbox_queue *queue) {
    if (queue->ring != queue->few) free(queue->ring);
}

static void outbox_queue_grow(struct outbox_queue *queue) {
    uint32_t cap = queue->cap * 2;
    if (cap == 0) {
        queue->ring = queue->few;
        queue->cap = PACKET_QUEUE_FEW;
        return;
    }
    struct packet **ring = NEW_ARRAY(struct packet *, cap);
    for (uint32_t i = 0; i < queue->len; i++) ring[i] = outbox_queue_at(queue, i);
    free_ring(queue);
    queue->ring = ring;
    queue->cap = cap;
    queue->head = 0;
}

void outbox_queue_push(struct outbox_queue *queue, struct packet *packet) {
    if (queue->len == queue->cap) outbox_queue_grow(queue);
    queue->ring[(queue->head + queue->len++) & (queue->cap - 1)] = packet_ref(packet);
    queue->bytes += packet_size(packet);
}

/* An empty ring restarts at 0, so that its packets stay contiguous. */
static void outbox_queue_skip(struct outbox_queue *queue, uint32_t n) {
    queue->len -= n;
    queue->head = queue->len == 0 ? 0 : (queue->head + n) & (queue->cap - 1);
}

struct packet *outbox_queue_pop(struct outbox_queue *queue) {
    if (queue->len == 0) return NULL;
    struct packet *packet = queue->ring[queue->head];
    queue->bytes -= packet_size(packet);
    outbox_queue_skip(queue, 1);
    return packet;
}

void outbox_queue_rest(struct outbox_queue *queue) {
    if (queue->len > 0) return;
    free_ring(queue);
    *queue = (struct outbox_queue){0};
}

/* Drops one packet, or all of a class if which is NULL. */
static void drop(struct outbox_queue *queue, const struct packet *which, enum packet_class class) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < queue->len; i++) {
        struct packet *packet = outbox_queue_at(queue, i);
        if (which ? packet != which : packet_class_of(packet) != class) {
            queue->ring[(queue->head + kept++) & (queue->cap - 1)] = packet;
            continue;
        }
        queue->bytes -= packet_size(packet);
        packet_unref(&packet);
    }
    queue->len = kept;
}

/* Drops all packets of a class. Returns their bytes. */
static size_t outbox_queue_shed(struct outbox_queue *queue, enum packet_class class) {
    size_t before = queue->bytes;
    drop(queue, NULL, class);
    return before - queue->bytes;
}

void outbox_queue_remove(struct outbox_queue *queue, const struct packet *packet) {
    drop(queue, packet, PACKET_CONTROL);
}

void outbox_queue_done(struct outbox_queue *queue) {
    for (uint32_t i = 0; i < queue->len; i++) {
        struct packet *packet = outbox_queue_at(queue, i);
        packet_unref(&packet);
    }
    free_ring(queue);
    *queue = (struct outbox_queue){0};
}

static void count_shed(enum packet_class class) {
    static const char *const names[] = {"control", "message", "presence", "volatile"};
    metric_add_labelled(METRIC_DROPPED, names[class], 1);
}

/* True: there is room for len more bytes. */
static bool make_room(struct outbox *outbox, size_t len, size_t max_bytes) {
    for (enum packet_class class = PACKET_VOLATILE; class >= PACKET_PRESENCE; class --) {
        if (outbox->queue.bytes + len <= max_bytes) return true;
        uint32_t before = outbox->queue.len;
        outbox_queue_shed(&outbox->queue, class);
        for (uint32_t i = outbox->queue.len; i < before; i++) count_shed(class);
    }
    return outbox->queue.bytes + len <= max_bytes;
}

enum outbox_verdict outbox_push(struct outbox *outbox, struct packet *packet, size_t max_bytes) {
    size_t len = packet_size(packet);
    enum packet_class class = packet_class_of(packet);
    if (class == PACKET_CONTROL) {
        size_t cap = max_bytes * OUTBOX_CONTROL_FACTOR;
        if (cap < OUTBOX_CONTROL_MIN) cap = OUTBOX_CONTROL_MIN;
        if (outbox->control_bytes + len > cap) return OUTBOX_OVERFLOW;
    } else if (outbox->queue.bytes + len > max_bytes && outbox->queue.len > 0) {
        if (!make_room(outbox, len, max_bytes)) {
            if (class == PACKET_MESSAGE) return OUTBOX_NO_ROOM;
            count_shed(class);
            return OUTBOX_SHED;
        }
    }
    outbox_push_always(outbox, packet);
    return OUTBOX_QUEUED;
}

void outbox_push_always(struct outbox *outbox, struct packet *packet) {
    outbox_queue_push(&outbox->queue, packet);
    if (packet_class_of(packet) == PACKET_CONTROL) outbox->control_bytes += packet_size(packet);
}

static void drop_first(struct outbox *outbox) {
    struct packet *packet = outbox_queue_pop(&outbox->queue);
    if (packet_class_of(packet) == PACKET_CONTROL) outbox->control_bytes -= packet_size(packet);
    packet_unref(&packet);
}

void gathering_clear(struct gathering *gathering) {
    struct packet *packet;
    while ((packet = outbox_queue_pop(&gathering->packets))) packet_unref(&packet);
}

void gathering_done(struct gathering *gathering) {
    outbox_queue_done(&gathering->packets);
    buffer_done(&gathering->bytes);
}

/* Whole packets up to max; at least one. */
static void gather(struct gathering *gathering, const struct outbox_queue *queue, enum packet_form form, size_t max) {
    struct buffer *out = &gathering->bytes;
    gathering_clear(gathering);
    buffer_clear(out);
    gathering->form = form;
    gathering->full = false;
    for (uint32_t i = 0; i < queue->len; i++) {
        struct packet *packet = outbox_queue_at(queue, i);
        struct slice bytes = packet_bytes(packet, form);
        gathering->full = out->len > 0 && out->len + bytes.len > max;
        if (gathering->full) return;
        if (form == PACKET_POLL && out->len > 0 && bytes.len > 0) buffer_append_char(out, '\x1e');
        buffer_append_slice(out, bytes);
        outbox_queue_push(&gathering->packets, packet);
    }
}

/* True: gathering the queue would give the same bytes. In a fan-out this holds for all receivers but the first. */
static bool gathering_is_of(const struct gathering *gathering, const struct outbox_queue *queue,
                            enum packet_form form) {
    uint32_t len = gathering->packets.len;
    if (len == 0 || gathering->form != form || len > queue->len || queue->head + len > queue->cap) return false;
    if (len < queue->len && !gathering->full) return false;
    return memcmp(queue->ring + queue->head, gathering->packets.ring, len * sizeof *queue->ring) == 0;
}

static bool flush_one(struct outbox *outbox, struct transport *transport, enum packet_form form) {
    struct packet *packet = packet_ref(outbox_queue_at(&outbox->queue, 0));
    struct slice bytes = packet_bytes(packet, form);
    drop_first(outbox);
    if (bytes.len > 0) transport->ops->write(transport, bytes);
    packet_unref(&packet);
    return bytes.len > 0;
}

static bool flush_many(struct outbox *outbox, struct transport *transport, enum packet_form form,
                       struct gathering *gathering) {
    size_t max = form == PACKET_POLL ? OUTBOX_POLL_BYTES : WEBSOCKET_WRITE_MAX;
    if (!gathering_is_of(gathering, &outbox->queue, form)) gather(gathering, &outbox->queue, form, max);
    for (uint32_t i = 0; i < gathering->packets.len; i++) drop_first(outbox);
    struct slice bytes = buffer_slice(&gathering->bytes);
    if (bytes.len > 0) transport->ops->write(transport, bytes);
    return bytes.len > 0;
}

bool outbox_flush(struct outbox *outbox, struct transport *transport, enum packet_form form,
                  struct gathering *gathering) {
    bool wrote = false;
    while (outbox->queue.len > 0 && !transport->ops->blocked(transport)) {
        wrote |= outbox->queue.len == 1 ? flush_one(outbox, transport, form)
                                        : flush_many(outbox, transport, form, gathering);
    }
    return wrote;
}

void outbox_done(struct outbox *outbox) {
    outbox_queue_done(&outbox->queue);
    outbox->control_bytes = 0;
}
