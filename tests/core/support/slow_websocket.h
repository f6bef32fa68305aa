/* SPDX-License-Identifier: Apache-2.0 */
/* slow_websocket.h - a slow reader of WebSocket frames that follows RFC 6455, section 5, sentence by sentence, and
 * core's reader fed in pieces: both report what they find as text. */
#ifndef TESTS_SLOW_WEBSOCKET_H
#define TESTS_SLOW_WEBSOCKET_H

#include <stdlib.h>

#include "base/buffer.h"
#include "wire/utf8.h"
#include "wire/websocket_reader.h"

/* The report: one line an event, with the pieces of a message joined. */
struct told {
    struct buffer text;
    bool within; /* the last entry is a piece */
};

/* ---- the slow reader: all the bytes at once, a byte at a time */

void read_slowly(struct slice bytes, bool may_compress, struct told *told);

/* ---- core's reader, fed in pieces cut at random places (seed) */

void read_in_pieces(struct slice bytes, bool may_compress, unsigned *seed, struct told *told);

#endif
