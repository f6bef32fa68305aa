/* SPDX-License-Identifier: Apache-2.0 */
/* A chunked body reads the same in one piece and cut in two: its parts lie within the bytes, and it ends at the same
 * place. The first byte says where to cut. */
#include <stdlib.h>

#include "base/buffer.h"
#include "wire/chunked.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

struct outcome {
    enum chunked_event event;
    struct buffer body;
    size_t used;
};

static void show(struct chunked_reader *reader, struct slice bytes, size_t until, struct outcome *outcome) {
    const char *at = bytes.ptr + outcome->used, *end = bytes.ptr + until;
    struct slice piece;
    do {
        outcome->event = chunked_read(reader, &at, end, &piece);
        if (outcome->event != CHUNKED_PIECE) break;
        if (piece.len == 0 || piece.ptr + piece.len != at || at > end) abort();
        buffer_append_slice(&outcome->body, piece);
    } while (true);
    outcome->used = (size_t)(at - bytes.ptr);
    if (outcome->event == CHUNKED_MORE && outcome->used != until) abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    if (len < 2) return 0;
    struct slice input = {(const char *)bytes + 1, len - 1};
    struct chunked_reader reader = {0}, cut_reader = {0};
    struct outcome whole = {0}, cut = {0};
    show(&reader, input, input.len, &whole);
    show(&cut_reader, input, bytes[0] % input.len, &cut);
    if (cut.event == CHUNKED_MORE) show(&cut_reader, input, input.len, &cut);
    if (cut.event != whole.event || cut.used != whole.used) abort();
    if (!slice_equal(buffer_slice(&cut.body), buffer_slice(&whole.body))) abort();
    if (reader.extra > CHUNKED_EXTRA_MAX + 1) abort();
    buffer_done(&whole.body);
    buffer_done(&cut.body);
    return 0;
}
