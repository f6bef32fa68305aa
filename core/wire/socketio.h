/* SPDX-License-Identifier: Apache-2.0 */
/* socketio.h - Socket.IO v5 packets (protocol revision 5, default parser). Pure. */
#ifndef WIRE_SOCKETIO_H
#define WIRE_SOCKETIO_H

#include <stdint.h>

#include "base/buffer.h"

enum socketio_type {
    SOCKETIO_CONNECT,
    SOCKETIO_DISCONNECT,
    SOCKETIO_EVENT,
    SOCKETIO_ACK,
    SOCKETIO_CONNECT_ERROR,
    SOCKETIO_BINARY_EVENT,
    SOCKETIO_BINARY_ACK
};

enum { SOCKETIO_ATTACHMENTS_MAX = 10, SOCKETIO_NAMESPACE_MAX = 128, SOCKETIO_EVENT_NAME_MAX = 128 };

struct socketio_packet {
    enum socketio_type type;
    unsigned attachments;        /* announced; the frames that follow */
    struct slice namespace_name; /* "/" when absent */
    bool has_id;
    uint64_t id;
    struct slice json; /* validated; empty when absent, but [] of an acknowledgement */
    struct slice
        event; /* EVENT, BINARY_EVENT: the first item, quotes included (may be a number: then no handler can match) */
};

/* Checks all of a packet's form (docs/wire.md), also reserved event names and that the placeholders
 * {"_placeholder":true,"num":i} are exactly 0..attachments-1. text is without the Engine.IO type. */
bool socketio_decode(struct slice text, struct socketio_packet *packet_r) MUST_CHECK;

/* True for connect, connect_error, disconnect, disconnecting, newListener, removeListener. */
bool socketio_reserved(struct slice event_name);

/* Appends the packet's text without the Engine.IO type; json and id as given. attachments must be 0 unless the type is
 * one of the binary ones. */
void socketio_encode(struct buffer *out, const struct socketio_packet *packet);

#endif
