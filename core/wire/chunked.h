/* SPDX-License-Identifier: Apache-2.0 */
/* chunked.h - a request body that says its length chunk by chunk (RFC 9112, section 7.1), found in its bytes as they
 * come. Strict, and pure.
 *
 * The reader keeps no bytes. Chunk extensions and trailers are bounded and dropped; what two parsers could read in two
 * ways is refused: bare line ends, white space around a size, a size of more than 16 digits, control characters.
 */
#ifndef WIRE_CHUNKED_H
#define WIRE_CHUNKED_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

/* What extensions and trailers of one body may have together. */
enum { CHUNKED_EXTRA_MAX = 8192 };

enum chunked_event {
    CHUNKED_MORE,  /* all bytes are taken, and the body is not over */
    CHUNKED_PIECE, /* of the body */
    CHUNKED_END,   /* what is behind it is the next request's */
    CHUNKED_BAD    /* the reader is not to be asked again */
};

/* {0} before the first byte. */
struct chunked_reader {
    uint64_t left;  /* of the chunk at hand: bytes still to come, once its size is known */
    uint8_t state;  /* chunked.c */
    uint8_t digits; /* of the size that is being read */
    uint16_t extra; /* bytes of extensions and trailers so far */
};

/* Takes bytes from *at on, moves *at behind them, and tells what they were; piece_r: in the caller's bytes. */
enum chunked_event chunked_read(struct chunked_reader *reader, const char **at, const char *end,
                                struct slice *piece_r) MUST_CHECK;

#endif
