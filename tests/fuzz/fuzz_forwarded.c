/* SPDX-License-Identifier: Apache-2.0 */
/* The client is the peer if that is no trusted proxy; otherwise it is an address from an X-Forwarded-For field. */
#include <stdlib.h>

#include "base/buffer.h"
#include "wire/forwarded.h"
#include "wire/http_head.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    static const char *const proxies[] = {"10.0.0.0/8", "::1"};
    struct slice fields = {(const char *)bytes, len};
    struct networks trusted;
    struct http_head head;
    struct buffer request = {0};
    struct address proxy, other, client;
    char text[ADDRESS_TEXT_MAX];
    buffer_append_str(&request, "GET / HTTP/1.1\r\nhost: a\r\nx-forwarded-for: ");
    buffer_append_slice(&request, fields);
    buffer_append_str(&request, "\r\n\r\n");
    if (networks_parse(proxies, 2, &trusted) || !address_parse(SLICE("10.0.0.1"), &proxy) ||
        !address_parse(SLICE("192.0.2.1"), &other))
        abort();
    if (http_head_parse(buffer_slice(&request), request.len + 1, &head) == HTTP_HEAD_COMPLETE) {
        client = proxy;
        if (forwarded_client(&head, &trusted, &client)) address_write(&client, text);
        client = other;
        if (!forwarded_client(&head, &trusted, &client) || memcmp(&client, &other, sizeof client) != 0) abort();
    }
    buffer_done(&request);
    networks_done(&trusted);
    return 0;
}
