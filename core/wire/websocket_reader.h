/* SPDX-License-Identifier: Apache-2.0 */
/* websocket_reader.h - reads a client's WebSocket frames (RFC 6455, section 5) from bytes as they arrive. Pure.
 *
 * The reader checks the form and the order of frames, unmasks payloads in place, and keeps no bytes: the caller passes
 * unused bytes again, with more after them (an unfinished head or control frame). It checks neither size nor text of
 * messages (net/inbound.h does). Frames to the client: wire/websocket_writer.h. */
#ifndef WIRE_WEBSOCKET_READER_H
#define WIRE_WEBSOCKET_READER_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

/* Close codes (RFC 6455, section 7.4.1). NO_CODE and ABNORMAL are reported to owners, never sent. */
enum websocket_code {
    WEBSOCKET_NORMAL = 1000,
    WEBSOCKET_PROTOCOL_ERROR = 1002,
    WEBSOCKET_NO_CODE = 1005,
    WEBSOCKET_ABNORMAL = 1006,
    WEBSOCKET_BAD_DATA = 1007,
    WEBSOCKET_POLICY = 1008,
    WEBSOCKET_TOO_LARGE = 1009,
    WEBSOCKET_TRY_LATER = 1013
};

/* A control frame's payload is at most this long (section 5.5), its head 6 bytes. */
enum { WEBSOCKET_CONTROL_MAX = 125, WEBSOCKET_REASON_MAX = 123, WEBSOCKET_WAITING_MAX = 6 + WEBSOCKET_CONTROL_MAX };

enum websocket_event {
    WEBSOCKET_MORE,  /* more bytes are needed; keep the remaining ones */
    WEBSOCKET_PIECE, /* a frame's payload, or the part that has arrived */
    WEBSOCKET_PING,  /* complete, as are the next two */
    WEBSOCKET_PONG,
    WEBSOCKET_CLOSE,
    WEBSOCKET_VIOLATION /* fail the connection with code; do not call the reader again */
};

/* Before the first byte {.may_compress = …}. */
struct websocket_reader {
    uint64_t left;        /* payload bytes of the current data frame still to come */
    unsigned char key[4]; /* its mask, turned so that key[0] is the next byte's */
    uint8_t message;      /* opcode of the current message; 0: none */
    bool final, compressed;
    bool may_compress; /* permessage-deflate was negotiated: RSV1 has a meaning */
};
_Static_assert(sizeof(struct websocket_reader) <= 32, "one a connection");

struct websocket_found {
    struct slice payload;           /* unmasked, in the caller's bytes */
    bool binary, compressed, final; /* PIECE: of the message; final: the frame ends the message */
    bool begins_frame;              /* PIECE: the frame's first; an empty frame is one piece */
    uint64_t left;                  /* PIECE: bytes of the frame still to come */
    uint16_t code;                  /* CLOSE: the peer's, or NO_CODE; payload is the reason. VIOLATION: to close with */
};

/* Reads bytes from *at, moves *at past them, and returns what they were. */
enum websocket_event websocket_reader_read(struct websocket_reader *reader, char **at, const char *end,
                                           struct websocket_found *found_r) MUST_CHECK;
/* True: the code is allowed in a Close frame (section 7.4, and the IANA registry). */
bool websocket_reader_code_legal(unsigned code);

#endif
