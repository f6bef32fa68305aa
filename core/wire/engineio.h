/* SPDX-License-Identifier: Apache-2.0 */
/* engineio.h - Engine.IO v4 packets and the payloads of its polling transport. Pure. */
#ifndef WIRE_ENGINEIO_H
#define WIRE_ENGINEIO_H

#include "base/buffer.h"

enum engineio_type {
    ENGINEIO_OPEN,
    ENGINEIO_CLOSE,
    ENGINEIO_PING,
    ENGINEIO_PONG,
    ENGINEIO_MESSAGE,
    ENGINEIO_UPGRADE,
    ENGINEIO_NOOP
};

struct engineio_packet {
    enum engineio_type type;
    bool binary; /* a message of bytes */
    struct slice body;
};

/* One WebSocket message. Text may be bytes, too: 'b' + base64, as clients without binary frames have it; scratch
 * receives them, and packet_r borrows them. False: a parse error. */
bool engineio_decode(struct slice message, bool binary, struct buffer *scratch,
                     struct engineio_packet *packet_r) MUST_CHECK;

/* A polling payload: packets joined by 0x1E, binary ones as 'b' + base64. */
struct engineio_payload {
    const char *at, *end;
    unsigned count; /* packets so far; more than ENGINEIO_PACKETS_MAX is a parse error */
    bool finished;  /* nothing follows: the last packet was read, or a bad one */
};
enum { ENGINEIO_PACKETS_MAX = 1024 };
enum engineio_step { ENGINEIO_PACKET, ENGINEIO_END, ENGINEIO_ERROR };
void engineio_payload_init(struct engineio_payload *payload, struct slice body);
/* An empty payload is an error, as is text that is not UTF-8. scratch: as engineio_decode has it. */
enum engineio_step engineio_payload_next(struct engineio_payload *payload, struct buffer *scratch,
                                         struct engineio_packet *packet_r);
/* Appends a packet to a payload, with the separator when out is not empty. text is a whole packet ("4hello"). */
void engineio_payload_add(struct buffer *out, struct slice text_packet);
void engineio_payload_add_binary(struct buffer *out, struct slice bytes);

struct engineio_open {
    struct slice sid;
    bool upgrade_to_websocket;
    unsigned ping_interval_ms, ping_timeout_ms;
    size_t max_payload_bytes;
};
/* The open packet, '0' included: exactly the five keys. */
void engineio_write_open(struct buffer *out, const struct engineio_open *open);

/* Codes 0..5 as in the reference server. */
enum engineio_error {
    ENGINEIO_UNKNOWN_TRANSPORT,
    ENGINEIO_UNKNOWN_SID,
    ENGINEIO_BAD_METHOD,
    ENGINEIO_BAD_REQUEST,
    ENGINEIO_FORBIDDEN,
    ENGINEIO_UNSUPPORTED_VERSION
};
const char *engineio_error_message(enum engineio_error error);
/* The body of the answer: {"code":n,"message":"…"}. */
void engineio_write_error(struct buffer *out, enum engineio_error error);

#endif
