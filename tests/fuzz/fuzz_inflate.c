/* SPDX-License-Identifier: Apache-2.0 */
/* Any input ends with a result, and never makes more output than the bound. */
#include <stdlib.h>

#include "wire/inflate.h"

enum { MAX_BYTES = 20000, PIECE_BYTES = 61 };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct inflater *inflater = inflater_new();
    enum inflate_result result = INFLATE_OK;
    struct buffer out = {0};
    for (size_t at = 0; at < len && result == INFLATE_OK; at += PIECE_BYTES) {
        struct slice piece = {(const char *)bytes + at, len - at < PIECE_BYTES ? len - at : PIECE_BYTES};
        result = inflater_add(inflater, piece, &out, MAX_BYTES);
    }
    if (result == INFLATE_OK) result = inflater_finish(inflater, &out, MAX_BYTES);
    if (result == INFLATE_OK && out.len > MAX_BYTES) abort();
    buffer_done(&out);
    inflater_free(&inflater);
    return 0;
}
