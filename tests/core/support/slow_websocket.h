/* SPDX-License-Identifier: Apache-2.0 */
/* slow_websocket.h - a reader of WebSocket frames written from RFC 6455, section 5, sentence by sentence, and core's
 * reader fed in pieces: both tell what they found as text. */
#ifndef TESTS_SLOW_WEBSOCKET_H
#define TESTS_SLOW_WEBSOCKET_H

#include <stdlib.h>

#include "base/buffer.h"
#include "wire/utf8.h"
#include "wire/websocket_reader.h"

/* What was told, as text: one line an event, the pieces of a message together. */
struct told {
    struct buffer text;
    bool within; /* a piece was the last thing */
};

/* ---- the slow reader: all the bytes at once, a byte at a time */

void read_slowly(struct slice bytes, bool may_compress, struct told *told);

/* ---- the reader, fed in pieces that are cut where the seed says */

void read_in_pieces(struct slice bytes, bool may_compress, unsigned *seed, struct told *told);

#endif
