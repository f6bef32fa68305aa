/* SPDX-License-Identifier: Apache-2.0 */
/* websocket_writer.h - outbound WebSocket frames (RFC 6455), prebuilt; shared compression (RFC 7692). Pure. */
#ifndef WIRE_WEBSOCKET_WRITER_H
#define WIRE_WEBSOCKET_WRITER_H

#include "base/buffer.h"

enum frame_opcode { FRAME_TEXT = 1, FRAME_BINARY = 2, FRAME_CLOSE = 8, FRAME_PING = 9, FRAME_PONG = 10 };

/* Appends one whole unmasked frame. compressed: sets RSV1; the payload is then the deflated bytes. */
void websocket_writer_write(struct buffer *out, enum frame_opcode opcode, bool compressed, struct slice payload);

/* Raw deflate without context takeover, ended by a sync flush whose 00 00 ff ff is cut off. One deflater per process;
 * each call starts without context. */
void websocket_writer_deflate(struct buffer *out, struct slice payload);

#endif
