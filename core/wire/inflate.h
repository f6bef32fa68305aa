/* SPDX-License-Identifier: Apache-2.0 */
/* inflate.h - inflates a peer's compressed WebSocket messages (RFC 7692), within a limit. Pure.
 *
 * Peers keep no context from message to message (wire/deflate_offer.h).
 */
#ifndef WIRE_INFLATE_H
#define WIRE_INFLATE_H

#include "base/buffer.h"

enum { INFLATER_BYTES = 40960 /* approximate memory of one inflater */ };
struct inflater;
enum inflate_result { INFLATE_OK, INFLATE_TOO_LARGE, INFLATE_BROKEN };

struct inflater *inflater_new(void);
void inflater_free(struct inflater **inflater);
/* Before each message but the first. */
void inflater_begin(struct inflater *inflater);
/* Inflates a piece of a message's payload and appends it. max_bytes: limit for out; nothing is inflated beyond it. */
enum inflate_result inflater_add(struct inflater *inflater, struct slice piece, struct buffer *out,
                                 size_t max_bytes) MUST_CHECK;
/* After the message's last piece: BROKEN if the message is incomplete. */
enum inflate_result inflater_finish(struct inflater *inflater, struct buffer *out, size_t max_bytes) MUST_CHECK;

#endif
