/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/inflate.h"

#include <stdlib.h>
#include <zlib.h>

/* zlib says in data_type where it stopped: right behind a block, and how many bits of the last byte were not used. */
enum { WINDOW_BITS = 15, STEP_BYTES = 16384, BEHIND_A_BLOCK = 128, UNUSED_BITS = 7 };

struct inflater {
    z_stream zip;
    bool ended; /* the last byte was the last one of a final block */
};

struct inflater *inflater_new(void) {
    struct inflater *inflater = NEW(struct inflater);
    if (inflateInit2(&inflater->zip, -WINDOW_BITS) != Z_OK) abort();
    return inflater;
}

void inflater_free(struct inflater **inflater) {
    if (!*inflater) return;
    inflateEnd(&(*inflater)->zip);
    free(*inflater);
    *inflater = NULL;
}

void inflater_begin(struct inflater *inflater) {
    if (inflateReset(&inflater->zip) != Z_OK) abort();
    inflater->ended = false;
}

enum inflate_result inflater_add(struct inflater *inflater, struct slice piece, struct buffer *out, size_t max_bytes) {
    z_stream *zip = &inflater->zip;
    zip->next_in = (Bytef *)piece.ptr;
    zip->avail_in = (uInt)piece.len;
    /* zlib may hold output when all input is used: only unused room proves that there is none. */
    for (;;) {
        /* one byte more than allowed, to see that there is more */
        size_t room = max_bytes + 1 - out->len;
        if (room > STEP_BYTES) room = STEP_BYTES;
        zip->next_out = (Bytef *)buffer_reserve(out, room);
        zip->avail_out = (uInt)room;
        uInt left = zip->avail_in;
        int result = inflate(zip, Z_SYNC_FLUSH);
        if (zip->avail_in < left) inflater->ended = result == Z_STREAM_END;
        out->len += room - zip->avail_out;
        if (out->len > max_bytes) return INFLATE_TOO_LARGE;
        if (result == Z_STREAM_END && inflateReset(zip) != Z_OK) return INFLATE_BROKEN;
        if (result != Z_OK && result != Z_BUF_ERROR && result != Z_STREAM_END) return INFLATE_BROKEN;
        if (zip->avail_out > 0 && zip->avail_in == 0) return INFLATE_OK;
        if (result == Z_BUF_ERROR && zip->avail_out > 0) return INFLATE_BROKEN;
    }
}

enum inflate_result inflater_finish(struct inflater *inflater, struct buffer *out, size_t max_bytes) {
    enum inflate_result result = inflater_add(inflater, SLICE("\x00\x00\xff\xff"), out, max_bytes);
    if (result != INFLATE_OK) return result;
    int at = inflater->zip.data_type;
    if (inflater->ended) return INFLATE_OK;
    return at & BEHIND_A_BLOCK && !(at & UNUSED_BITS) ? INFLATE_OK : INFLATE_BROKEN;
}
