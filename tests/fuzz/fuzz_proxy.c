/* SPDX-License-Identifier: Apache-2.0 */
/* An accepted header lies within its bytes, and names an address or none. */
#include <stdlib.h>

#include "wire/proxy.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct proxy_header header;
    if (proxy_parse((struct slice){(const char *)bytes, len}, &header) != PROXY_COMPLETE) return 0;
    if (header.bytes > len || header.bytes > PROXY_HEADER_MAX || header.local == (header.address.len > 0)) abort();
    return 0;
}
