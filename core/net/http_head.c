/* SPDX-License-Identifier: Apache-2.0 */
/* Requests' headers for the layers above. */
#include "net/http_exchange.h"
#include "wire/json.h"
#include "wire/utf8.h"

static const char *const told[] = {
    "host",
    "origin",
    "authorization",
    "content-type",
    "cookie",
    "accept",
    "referer",
    "traceparent",
    "if-none-match",
    "user-agent",
    "x-forwarded-for",
    "access-control-request-method",
    "access-control-request-headers",
};

struct slice http_header(const struct http_request *request, const char *name) {
    return http_head_field(&request->exchange->http->head, name);
}

void http_write_headers_json(const struct http_request *request, struct buffer *out) {
    bool first = true;
    buffer_append_char(out, '{');
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        struct slice value = http_header(request, told[i]);
        if (value.len == 0 || !utf8_valid(value)) continue;
        if (!first) buffer_append_char(out, ',');
        first = false;
        json_write_string(out, slice_of(told[i]));
        buffer_append_char(out, ':');
        json_write_string(out, value);
    }
    buffer_append_char(out, '}');
}
