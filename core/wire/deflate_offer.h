/* SPDX-License-Identifier: Apache-2.0 */
/* deflate_offer.h - what a client's handshake offers of permessage-deflate (RFC 7692), and what it is told. Pure.
 *
 * Our frames are compressed once for all, without context and with the largest window, so whoever asks for a smaller
 * window is promised it and gets plain frames. No client keeps its context either, so that nothing of it is kept
 * here between messages (sections 7.1.1.1 and 7.1.1.2 allow both without being asked). */
#ifndef WIRE_DEFLATE_OFFER_H
#define WIRE_DEFLATE_OFFER_H

#include "base/buffer.h"

struct deflate_offer {
    bool accepted;        /* the client may compress */
    bool reads_all;       /* and reads frames that were compressed with the largest window */
    unsigned window_bits; /* the server_max_window_bits to promise; 0: none */
};

/* value: a Sec-WebSocket-Extensions field, of which the first acceptable offer is taken, unless one is accepted
 * already: for each such field in turn, beginning with {0}. What is not to be had is declined. False: it is not what
 * RFC 6455, section 9.1, allows, and the handshake fails. */
bool deflate_offer_read(struct slice value, struct deflate_offer *offer) MUST_CHECK;
/* Appends the field of the answer, with its line end; nothing unless accepted. */
void deflate_offer_answer(const struct deflate_offer *offer, struct buffer *out);

#endif
