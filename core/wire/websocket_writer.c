/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/websocket_writer.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

enum { RSV1 = 0x40, FIN = 0x80 };

void websocket_writer_write(struct buffer *out, enum frame_opcode opcode, bool compressed, struct slice payload) {
    unsigned char head[10] = {(unsigned char)(FIN | (compressed ? RSV1 : 0) | opcode)};
    size_t len = 2;
    if (payload.len < 126) {
        head[1] = (unsigned char)payload.len;
    } else {
        unsigned width = payload.len <= UINT16_MAX ? 2 : 8;
        head[1] = width == 2 ? 126 : 127;
        for (unsigned i = 0; i < width; i++)
            head[len++] = (unsigned char)((uint64_t)payload.len >> 8 * (width - 1 - i));
    }
    buffer_append(out, (const char *)head, len);
    buffer_append_slice(out, payload);
}

void websocket_writer_deflate(struct buffer *out, struct slice payload) {
    static z_stream stream; /* one a process: it keeps no state between calls */
    static bool ready;
    int status = ready ? deflateReset(&stream)
                       : deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
    if (status != Z_OK) abort();
    ready = true;
    size_t room = deflateBound(&stream, payload.len) + 16;
    stream.next_in = (unsigned char *)payload.ptr;
    stream.avail_in = (unsigned)payload.len;
    stream.next_out = (unsigned char *)buffer_reserve(out, room);
    stream.avail_out = (unsigned)room;
    status = deflate(&stream, Z_SYNC_FLUSH);
    if (status != Z_OK || stream.avail_in > 0) abort();
    out->len += room - stream.avail_out - 4;
}
