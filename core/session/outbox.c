#include "session/outbox.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "net/conn.h"
#include "session/transport.h"

enum { QUEUE_FIRST_CAP = 4, QUEUE_IDLE_CAP = 16 };

struct packet *packet_queue_at(const struct packet_queue *queue, uint32_t index) {
    return queue->ring[(queue->head + index) & (queue->cap - 1)];
}

static void packet_queue_grow(struct packet_queue *queue) {
    uint32_t cap = queue->cap ? queue->cap * 2 : QUEUE_FIRST_CAP;
    struct packet **ring = NEW_ARRAY(struct packet *, cap);
    for (uint32_t i = 0; i < queue->len; i++) ring[i] = packet_queue_at(queue, i);
    free(queue->ring);
    queue->ring = ring;
    queue->cap = cap;
    queue->head = 0;
}

void packet_queue_push(struct packet_queue *queue, struct packet *packet) {
    if (queue->len == queue->cap) packet_queue_grow(queue);
    queue->ring[(queue->head + queue->len++) & (queue->cap - 1)] = packet_ref(packet);
    queue->bytes += packet_size(packet);
}

struct packet *packet_queue_pop(struct packet_queue *queue) {
    if (queue->len == 0) return NULL;
    struct packet *packet = queue->ring[queue->head];
    queue->head = (queue->head + 1) & (queue->cap - 1);
    queue->bytes -= packet_size(packet);
    if (--queue->len == 0 && queue->cap > QUEUE_IDLE_CAP) packet_queue_done(queue);
    return packet;
}

size_t packet_queue_shed(struct packet_queue *queue, enum packet_class class) {
    uint32_t kept = 0;
    size_t before = queue->bytes;
    for (uint32_t i = 0; i < queue->len; i++) {
        struct packet *packet = packet_queue_at(queue, i);
        if (packet_class_of(packet) != class) {
            queue->ring[(queue->head + kept++) & (queue->cap - 1)] = packet;
            continue;
        }
        queue->bytes -= packet_size(packet);
        packet_unref(&packet);
    }
    queue->len = kept;
    return before - queue->bytes;
}

void packet_queue_done(struct packet_queue *queue) {
    for (uint32_t i = 0; i < queue->len; i++) {
        struct packet *packet = packet_queue_at(queue, i);
        packet_unref(&packet);
    }
    free(queue->ring);
    *queue = (struct packet_queue){0};
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
        packet_queue_shed(&outbox->queue, class);
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
    packet_queue_push(&outbox->queue, packet);
    if (packet_class_of(packet) == PACKET_CONTROL) outbox->control_bytes += packet_size(packet);
}

static void drop_first(struct outbox *outbox) {
    struct packet *packet = packet_queue_pop(&outbox->queue);
    if (packet_class_of(packet) == PACKET_CONTROL) outbox->control_bytes -= packet_size(packet);
    packet_unref(&packet);
}

/* Gathers whole packets up to max; at least one. */
static void gather(struct outbox *outbox, enum packet_form form, size_t max, struct buffer *scratch) {
    buffer_clear(scratch);
    while (outbox->queue.len > 0) {
        struct slice bytes = packet_bytes(packet_queue_at(&outbox->queue, 0), form);
        if (scratch->len > 0 && scratch->len + bytes.len > max) return;
        if (form == PACKET_POLL && scratch->len > 0 && bytes.len > 0) buffer_append_char(scratch, '\x1e');
        buffer_append_slice(scratch, bytes);
        drop_first(outbox);
    }
}

bool outbox_flush(struct outbox *outbox, struct transport *transport, enum packet_form form, struct buffer *scratch) {
    bool wrote = false;
    size_t max = form == PACKET_POLL ? OUTBOX_POLL_BYTES : CONN_WRITE_MAX;
    while (outbox->queue.len > 0 && !transport->ops->blocked(transport)) {
        struct packet *only = outbox->queue.len == 1 ? packet_ref(packet_queue_at(&outbox->queue, 0)) : NULL;
        struct slice bytes;
        if (only) {
            bytes = packet_bytes(only, form);
            drop_first(outbox);
        } else {
            gather(outbox, form, max, scratch);
            bytes = buffer_slice(scratch);
        }
        if (bytes.len > 0) {
            wrote = true;
            transport->ops->write(transport, bytes);
        }
        packet_unref(&only);
    }
    return wrote;
}

void outbox_done(struct outbox *outbox) {
    packet_queue_done(&outbox->queue);
    outbox->control_bytes = 0;
}
