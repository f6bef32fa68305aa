/* SPDX-License-Identifier: Apache-2.0 */
/* chunked.h - reads a chunked request body (RFC 9112, section 7.1) from its bytes as they arrive. Strict, and pure.
 *
 * The reader keeps no bytes. Chunk extensions and trailers are bounded and dropped; whatever parsers could interpret
 * differently is refused: bare line ends, white space around a size, a size of more than 16 digits, control characters.
 */
#ifndef WIRE_CHUNKED_H
#define WIRE_CHUNKED_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

/* Limit for the extensions and trailers of one body together, in bytes. */
enum { CHUNKED_EXTRA_MAX = 8192 };

enum chunked_event {
    CHUNKED_MORE,  /* all bytes are used, and the body has not ended */
    CHUNKED_PIECE, /* of the body */
    CHUNKED_END,   /* the body has ended; the bytes after it belong to the next request */
    CHUNKED_BAD    /* malformed: do not call the reader again */
};

/* {0} before the first byte. */
struct chunked_reader {
    uint64_t left;  /* bytes of the current chunk still to come, once its size is known */
    uint8_t state;  /* chunked.c */
    uint8_t digits; /* of the size being read */
    uint16_t extra; /* bytes of extensions and trailers so far */
};

/* Reads bytes from *at, moves *at past them, and returns what they were. piece_r points into the caller's bytes. */
enum chunked_event chunked_read(struct chunked_reader *reader, const char **at, const char *end,
                                struct slice *piece_r) MUST_CHECK;

#endif
