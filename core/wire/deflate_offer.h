/* SPDX-License-Identifier: Apache-2.0 */
/* deflate_offer.h - negotiates permessage-deflate (RFC 7692) in a client's handshake. Pure.
 *
 * Each of our frames is compressed once for all clients, without context and with the largest window. A client that
 * asks for a smaller window is promised it and gets uncompressed frames. Clients must not keep context either, so that
 * the server holds no inflate state between messages (sections 7.1.1.1 and 7.1.1.2 allow both without a client's
 * offer). */
#ifndef WIRE_DEFLATE_OFFER_H
#define WIRE_DEFLATE_OFFER_H

#include "base/buffer.h"

struct deflate_offer {
    bool accepted;        /* the client may compress */
    bool reads_all;       /* and can read frames compressed with the largest window */
    unsigned window_bits; /* the server_max_window_bits to promise; 0: none */
};

/* value: a Sec-WebSocket-Extensions header; its first acceptable offer is accepted, unless one already is. Call for
 * each such header in turn, starting with *offer {0}. Unsupported offers are declined. False: the header violates RFC
 * 6455, section 9.1; the handshake must fail. */
bool deflate_offer_read(struct slice value, struct deflate_offer *offer) MUST_CHECK;
/* Appends the field of the answer, with its line end; nothing unless accepted. */
void deflate_offer_answer(const struct deflate_offer *offer, struct buffer *out);

#endif
