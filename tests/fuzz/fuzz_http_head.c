/* SPDX-License-Identifier: Apache-2.0 */
/* An accepted head lies within the bytes, and reads the same without the bytes after it. */
#include <stdlib.h>

#include "wire/http_head.h"

enum { HEAD_MAX = 16384 };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct slice input = {(const char *)bytes, len};
    struct http_head head, again;
    if (len == 0 || http_head_parse(input, HEAD_MAX, &head) != HTTP_HEAD_COMPLETE) return 0;
    if (head.bytes > len || head.bytes > HEAD_MAX) abort();
    input.len = head.bytes;
    if (http_head_parse(input, HEAD_MAX, &again) != HTTP_HEAD_COMPLETE || again.body_bytes != head.body_bytes) abort();
    input.len = head.bytes - 1;
    if (http_head_parse(input, HEAD_MAX, &again) != HTTP_HEAD_PARTIAL) abort();
    if (head.chunked != (http_head_field(&head, "transfer-encoding").ptr != NULL)) abort();
    if (head.chunked && (head.has_length || head.minor == 0)) abort();
    return 0;
}
