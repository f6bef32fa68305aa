/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/chunked.h"

#include "wire/http_head.h"

enum chunked_state { SIZE, EXTENSION, SIZE_LF, BYTES, BYTES_CR, BYTES_LF, LINE, NAME, VALUE, VALUE_LF, LAST_LF, BAD };
enum { DIGITS_MAX = 16 };

static int hex_of(unsigned char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(unsigned char c) {
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static enum chunked_state read_size(struct chunked_reader *reader, unsigned char c) {
    int digit = hex_of(c);
    if (digit >= 0) {
        if (reader->digits++ == DIGITS_MAX) return BAD;
        reader->left = reader->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (reader->digits == 0) return BAD;
    return c == ';' ? EXTENSION : c == '\r' ? SIZE_LF : BAD;
}

static enum chunked_state expect(unsigned char c, unsigned char wanted, enum chunked_state next) {
    return c == wanted ? next : BAD;
}

/* Of an extension or a trailer. */
static bool has_room(struct chunked_reader *reader) {
    return ++reader->extra <= CHUNKED_EXTRA_MAX;
}

static enum chunked_state read_text(struct chunked_reader *reader, unsigned char c, enum chunked_state same,
                                    enum chunked_state end) {
    if (c == '\r') return end;
    return is_text(c) && has_room(reader) ? same : BAD;
}

/* The name of a trailer, or the empty line behind all. */
static enum chunked_state read_name(struct chunked_reader *reader, unsigned char c) {
    if (c == '\r' && reader->state == LINE) return LAST_LF;
    if (c == ':' && reader->state == NAME) return VALUE;
    return http_head_is_token_char(c) && has_room(reader) ? NAME : BAD;
}

static enum chunked_state begin_chunk(struct chunked_reader *reader) {
    reader->digits = 0;
    return reader->left > 0 ? BYTES : LINE;
}

/* Any byte but those of a chunk. */
static enum chunked_state step(struct chunked_reader *reader, unsigned char c) {
    switch ((enum chunked_state)reader->state) {
        case SIZE:
            return read_size(reader, c);
        case EXTENSION:
            return read_text(reader, c, EXTENSION, SIZE_LF);
        case SIZE_LF:
            return c == '\n' ? begin_chunk(reader) : BAD;
        case BYTES_CR:
            return expect(c, '\r', BYTES_LF);
        case BYTES_LF:
            return expect(c, '\n', SIZE);
        case LINE:
        case NAME:
            return read_name(reader, c);
        case VALUE:
            return read_text(reader, c, VALUE, VALUE_LF);
        case VALUE_LF:
            return expect(c, '\n', LINE);
        default:
            return BAD;
    }
}

static enum chunked_event take_piece(struct chunked_reader *reader, const char **at, const char *end,
                                     struct slice *piece_r) {
    size_t len = (size_t)(end - *at);
    if (len > reader->left) len = (size_t)reader->left;
    *piece_r = (struct slice){*at, len};
    *at += len;
    reader->left -= len;
    if (reader->left == 0) reader->state = BYTES_CR;
    return CHUNKED_PIECE;
}

enum chunked_event chunked_read(struct chunked_reader *reader, const char **at, const char *end,
                                struct slice *piece_r) {
    while (*at < end) {
        if (reader->state == BYTES) return take_piece(reader, at, end, piece_r);
        unsigned char c = (unsigned char)*(*at)++;
        if (reader->state == LAST_LF) return c == '\n' ? CHUNKED_END : CHUNKED_BAD;
        reader->state = (uint8_t)step(reader, c);
        if (reader->state == BAD) return CHUNKED_BAD;
    }
    return CHUNKED_MORE;
}
