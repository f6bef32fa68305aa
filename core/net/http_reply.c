/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_reply.h"

#include "base/buffer.h"
#include "net/http.h"
#include "net/shared_file.h"

static const struct {
    unsigned status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {411, "Length Required"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {421, "Misdirected Request"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

static const char *phrase_of(unsigned status) {
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status) return phrases[i].phrase;
    return "Status";
}

void http_reply_write(struct buffer *out, const struct http_reply *reply, const struct http_form *form) {
    bool bodiless = reply->status == 204 || reply->status == 304;
    buffer_printf(out, "HTTP/1.1 %u %s\r\n", reply->status, phrase_of(reply->status));
    if (reply->content_type) buffer_printf(out, "content-type: %s\r\n", reply->content_type);
    size_t body_bytes = reply->file ? (size_t)reply->file->about.st_size : reply->body.len;
    if (!bodiless) buffer_printf(out, "content-length: %zu\r\n", body_bytes);
    buffer_append_str(out, "x-content-type-options: nosniff\r\n");
    if (form->hsts_s > 0) buffer_printf(out, "strict-transport-security: max-age=%u\r\n", form->hsts_s);
    buffer_append_slice(out, reply->extra_headers);
    buffer_append_str(out, form->close ? "connection: close\r\n\r\n" : "\r\n");
    if (!form->head_only && !bodiless && !reply->file) buffer_append_slice(out, reply->body);
}
