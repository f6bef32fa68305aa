/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h - the bytes of a load: WebSocket frames as a client sends and reads them, and the stamp at the head of each
 * payload, with which deliveries are counted, ordered and timed. Knows no sockets. */
#ifndef LOAD_WIRE_H
#define LOAD_WIRE_H

#include <stdint.h>

#include "base/buffer.h"

enum { WIRE_TEXT = 0x81, WIRE_CLOSE = 0x88, WIRE_PING = 0x89, WIRE_PONG = 0x8a };

/* A masked frame. The mask is zero, which RFC 6455 allows and which costs the load no time. */
void wire_write_frame(struct buffer *out, uint8_t first_byte, struct slice body);

/* Reads the server's frame at the head of `bytes`: its length with the header; 0: more bytes are needed. */
size_t wire_read_frame(struct slice bytes, uint8_t *first_byte_r, struct slice *body_r);

/* The start of a payload: "@@", the publisher (4 hex digits), its sequence number from 1 (8), when it was due (16). */
struct stamp {
    uint32_t publisher; /* 0 to 65535 */
    uint32_t sequence;
    uint64_t due_ns; /* CLOCK_MONOTONIC */
};
enum { WIRE_STAMP_LEN = 30, WIRE_PUBLISHERS_MAX = 65536 };

/* A payload of len bytes (at least WIRE_STAMP_LEN): the stamp, then filler. */
void wire_write_payload(struct buffer *out, const struct stamp *stamp, size_t len);

/* Finds the stamp in a message's text, first at *offset_hint, where the last one was found. False: there is none. */
bool wire_find_stamp(struct slice text, size_t *offset_hint, struct stamp *stamp_r);

#endif
