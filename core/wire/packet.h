/* SPDX-License-Identifier: Apache-2.0 */
/* packet.h - an outbound message: encoded once, shared by all its receivers.
 *
 * A packet is made from Socket.IO's parts and encodes itself for every kind of client: on first use, kept as long as
 * the packet. Reference-counted; for the loop's thread only.
 */
#ifndef WIRE_PACKET_H
#define WIRE_PACKET_H

#include "wire/socketio.h"

/* For a slow client, higher classes are shed first. Control is never shed. */
enum packet_class { PACKET_CONTROL, PACKET_MESSAGE, PACKET_PRESENCE, PACKET_VOLATILE };

enum packet_form {
    PACKET_FRAME,          /* WebSocket: frames of "4…" and of its attachments */
    PACKET_FRAME_DEFLATED, /* the same, compressed where it pays (text of at least PACKET_DEFLATE_MIN bytes) */
    PACKET_FRAME_BASE64, /* WebSocket: text frames alone; bytes as in PACKET_POLL, for clients without binary frames */
    PACKET_POLL,         /* Engine.IO polling: "4…", 0x1E between it and its attachments */
    PACKET_PLAIN,        /* WebSocket frame of the plain form; events and acks only, else empty */
    PACKET_PLAIN_DEFLATED,
    PACKET_RAW, /* WebSocket frame of a raw endpoint: "message" with one text or bytes as it is, else as PACKET_PLAIN */
    PACKET_RAW_DEFLATED,
    PACKET_FORMS
};
enum { PACKET_DEFLATE_MIN = 2048 };

struct packet;

/* The first member of a packet. Public only so that a fan-out can read it without a function call per receiver. */
struct packet_head {
    unsigned refs;
    uint32_t size_bytes;
    enum packet_class class;
    uint64_t tag; /* odd: the same on all workers that have the event; 0: only on this worker; even: handed over */
    struct packet *with_offset; /* NULL: not asked for yet */
};

/* An Engine.IO packet as it is ("2", "3probe", "6", or a message of a bare engine "4hello"). */
struct packet *packet_new_engine(struct slice text);
/* A bare engine's binary message. */
struct packet *packet_new_binary(struct slice bytes);
/* A Socket.IO packet. attachments as many as parts->attachments, copied. For an EVENT parts->json is the array with the
 * event's name first; offset, unless empty, is what packet_with_offset appends to it as one more string. */
struct packet *packet_new(const struct socketio_packet *parts, const struct slice *attachments, struct slice offset,
                          enum packet_class class);
/* The event for clients that use recovery: with its offset after the arguments. Encoded on first use; borrowed, lives
 * as long as the packet. Only in Socket.IO forms. Without an offset: the packet itself. */
struct packet *packet_build_with_offset(struct packet *packet); /* packet_with_offset's */
static inline struct packet *packet_with_offset(struct packet *packet) {
    struct packet *built = ((struct packet_head *)packet)->with_offset;
    return built ? built : packet_build_with_offset(packet);
}
/* A frame of the plain protocol, as it is; other forms are empty. */
struct packet *packet_new_plain(struct slice text);
/* A message of a raw endpoint, as it is; other forms are empty. text must be UTF-8. */
struct packet *packet_new_raw(struct slice message, bool binary);

static inline struct packet *packet_ref(struct packet *packet) {
    ((struct packet_head *)packet)->refs++;
    return packet;
}
void packet_free(struct packet *packet); /* packet_unref's */
static inline void packet_unref(struct packet **packet_r) {
    struct packet *packet = *packet_r;
    *packet_r = NULL;
    if (packet && --((struct packet_head *)packet)->refs == 0) packet_free(packet);
}

/* Borrowed; lives as long as the packet. */
struct slice packet_bytes(struct packet *packet, enum packet_form form);
static inline enum packet_class packet_class_of(const struct packet *packet) {
    return ((const struct packet_head *)packet)->class;
}
static inline uint64_t packet_tag(const struct packet *packet) {
    return ((const struct packet_head *)packet)->tag;
}
static inline void packet_set_tag(struct packet *packet, uint64_t tag) {
    ((struct packet_head *)packet)->tag = tag;
}
/* Of an event: its JSON array, and its attachments; how many. Borrowed. */
struct slice packet_json(const struct packet *packet);
unsigned packet_attachments(const struct packet *packet, struct slice attachments_r[SOCKETIO_ATTACHMENTS_MAX]);
/* The frame's size, for a queue's accounting. */
static inline size_t packet_size(const struct packet *packet) {
    return ((const struct packet_head *)packet)->size_bytes;
}

#endif
