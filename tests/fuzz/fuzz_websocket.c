/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of frames agrees with the slow one, and assembled messages are within their bound and, if text, valid
 * UTF-8. The first byte says whether compression was negotiated, and where the input is cut. */
#include "core/support/slow_websocket.h"
#include "net/inbound.h"
#include "wire/inflate.h"

enum { MAX_BYTES = 20000 };

static struct inbound_shared shared;

static bool put_together(struct websocket_reader *reader, struct inbound *inbound, char **at, const char *end) {
    struct websocket_found found;
    struct slice message;
    enum websocket_event event = websocket_reader_read(reader, at, end, &found);
    if (event == WEBSOCKET_MORE || event == WEBSOCKET_VIOLATION) return false;
    if (event != WEBSOCKET_PIECE) return true;
    if (inbound_add(inbound, &shared, &found, MAX_BYTES, 1, &message)) return false;
    if (message.len > MAX_BYTES || (message.ptr && !found.binary && !utf8_valid(message))) abort();
    if (inbound_waiting(inbound) > MAX_BYTES + INFLATER_BYTES) abort();
    return true;
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    if (len == 0) return 0;
    bool may_compress = bytes[0] & 1;
    unsigned seed = bytes[0];
    struct slice input = {(const char *)bytes + 1, len - 1};
    struct told slow = {0}, quick = {0};
    read_slowly(input, may_compress, &slow);
    read_in_pieces(input, may_compress, &seed, &quick);
    if (!slice_equal(buffer_slice(&slow.text), buffer_slice(&quick.text))) abort();
    buffer_done(&slow.text);
    buffer_done(&quick.text);

    struct websocket_reader reader = {.may_compress = may_compress};
    struct inbound inbound = {0};
    char *copy = memory_copy(input.ptr, input.len), *at = copy;
    while (put_together(&reader, &inbound, &at, copy + input.len)) continue;
    inbound_done(&inbound);
    free(copy);
    return 0;
}
