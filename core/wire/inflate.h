/* SPDX-License-Identifier: Apache-2.0 */
/* inflate.h - compressed WebSocket messages of a peer (RFC 7692), within a bound. Pure.
 *
 * Peers keep no context from message to message (wire/deflate_offer.h).
 */
#ifndef WIRE_INFLATE_H
#define WIRE_INFLATE_H

#include "base/buffer.h"

enum { INFLATER_BYTES = 40960 /* what one holds, about */ };
struct inflater;
enum inflate_result { INFLATE_OK, INFLATE_TOO_LARGE, INFLATE_BROKEN };

struct inflater *inflater_new(void);
void inflater_free(struct inflater **inflater);
/* Before each message but the first. */
void inflater_begin(struct inflater *inflater);
/* Appends what a piece of a message's payload becomes. max_bytes: of out; what would exceed it is not made. */
enum inflate_result inflater_add(struct inflater *inflater, struct slice piece, struct buffer *out,
                                 size_t max_bytes) MUST_CHECK;
/* After the message's last piece: BROKEN, if it was not whole. */
enum inflate_result inflater_finish(struct inflater *inflater, struct buffer *out, size_t max_bytes) MUST_CHECK;

#endif
