/* Requests' headers for the layers above; and the head that libwebsockets has parsed, as bytes again. */
#include <ctype.h>
#include <stdio.h>

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

static const struct {
    const char *name;
    enum lws_token_indexes token;
} methods[] = {
    {"GET", WSI_TOKEN_GET_URI},   {"POST", WSI_TOKEN_POST_URI},   {"OPTIONS", WSI_TOKEN_OPTIONS_URI},
    {"PUT", WSI_TOKEN_PUT_URI},   {"PATCH", WSI_TOKEN_PATCH_URI}, {"DELETE", WSI_TOKEN_DELETE_URI},
    {"HEAD", WSI_TOKEN_HEAD_URI},
};

static const struct {
    const char *name;
    enum lws_token_indexes token;
} fields[] = {
    {"host", WSI_TOKEN_HOST},
    {"origin", WSI_TOKEN_ORIGIN},
    {"authorization", WSI_TOKEN_HTTP_AUTHORIZATION},
    {"content-type", WSI_TOKEN_HTTP_CONTENT_TYPE},
    {"content-length", WSI_TOKEN_HTTP_CONTENT_LENGTH},
    {"transfer-encoding", WSI_TOKEN_HTTP_TRANSFER_ENCODING},
    {"cookie", WSI_TOKEN_HTTP_COOKIE},
    {"user-agent", WSI_TOKEN_HTTP_USER_AGENT},
    {"accept", WSI_TOKEN_HTTP_ACCEPT},
    {"referer", WSI_TOKEN_HTTP_REFERER},
    {"if-none-match", WSI_TOKEN_HTTP_IF_NONE_MATCH},
    {"access-control-request-headers", WSI_TOKEN_HTTP_AC_REQUEST_HEADERS},
    {"x-forwarded-for", WSI_TOKEN_X_FORWARDED_FOR},
    {"connection", WSI_TOKEN_CONNECTION},
    {"upgrade", WSI_TOKEN_UPGRADE},
    {"sec-websocket-key", WSI_TOKEN_KEY},
    {"sec-websocket-version", WSI_TOKEN_VERSION},
    {"sec-websocket-protocol", WSI_TOKEN_PROTOCOL},
    {"sec-websocket-extensions", WSI_TOKEN_EXTENSIONS},
};
/* Libwebsockets has no token for these. */
static const char *const custom[] = {"traceparent", "access-control-request-method"};

/* What it has unescaped is escaped again, so that nothing is decoded twice. */
static void write_escaped(struct buffer *out, const char *bytes, const char *plain) {
    for (; *bytes; bytes++) {
        unsigned char c = (unsigned char)*bytes;
        if (isalnum(c) || strchr(plain, c))
            buffer_append_char(out, (char)c);
        else
            buffer_printf(out, "%%%02X", c);
    }
}

static void write_argument(struct buffer *out, char *piece) {
    char *value = strchr(piece, '=');
    if (value) *value = '\0';
    write_escaped(out, piece, "-_.~");
    if (!value) return;
    buffer_append_char(out, '=');
    write_escaped(out, value + 1, "-_.~");
}

static void write_request_line(struct lws *wsi, struct buffer *out, char *value) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (lws_hdr_copy(wsi, value, HTTP_HEAD_MAX, methods[i].token) <= 0) continue;
        buffer_printf(out, "%s ", methods[i].name);
        write_escaped(out, value, "-_.~/!$&'()*+,;=:@");
        break;
    }
    for (int i = 0; lws_hdr_copy_fragment(wsi, value, HTTP_HEAD_MAX, WSI_TOKEN_HTTP_URI_ARGS, i) >= 0; i++) {
        buffer_append_char(out, i == 0 ? '?' : '&');
        write_argument(out, value);
    }
    bool known = lws_hdr_copy(wsi, value, HTTP_HEAD_MAX, WSI_TOKEN_HTTP) > 0;
    buffer_printf(out, " %s\r\n", known ? value : "HTTP/1.0");
}

void http_head_rebuild(struct lws *wsi, struct buffer *out) {
    char value[HTTP_HEAD_MAX];
    write_request_line(wsi, out, value);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        for (int n = 0; lws_hdr_copy_fragment(wsi, value, sizeof value, fields[i].token, n) >= 0; n++)
            buffer_printf(out, "%s: %s\r\n", fields[i].name, value);
    }
    for (size_t i = 0; i < sizeof custom / sizeof *custom; i++) {
        char name[64];
        int len = snprintf(name, sizeof name, "%s:", custom[i]);
        if (lws_hdr_custom_copy(wsi, value, sizeof value, name, len) > 0) buffer_printf(out, "%s %s\r\n", name, value);
    }
    buffer_append_str(out, "\r\n");
}
