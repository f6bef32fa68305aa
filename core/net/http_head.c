/* The head of a request, as libwebsockets has parsed it: copied out, and checked for what it lets pass. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "net/http_exchange.h"
#include "wire/json.h"
#include "wire/utf8.h"

enum { HEADER_VALUE_MAX = 4096, CONTENT_LENGTH_DIGITS = 15, KEY_LEN = 24 };

static const struct {
    const char *method;
    enum lws_token_indexes uri;
} methods[] = {
    {"GET", WSI_TOKEN_GET_URI},   {"POST", WSI_TOKEN_POST_URI},   {"OPTIONS", WSI_TOKEN_OPTIONS_URI},
    {"PUT", WSI_TOKEN_PUT_URI},   {"PATCH", WSI_TOKEN_PATCH_URI}, {"DELETE", WSI_TOKEN_DELETE_URI},
    {"HEAD", WSI_TOKEN_HEAD_URI},
};

/* custom: lws has no token of its own for it. */
static const struct {
    const char *name;
    enum lws_token_indexes token;
    bool custom;
} known[] = {
    {"host", WSI_TOKEN_HOST, false},
    {"origin", WSI_TOKEN_ORIGIN, false},
    {"authorization", WSI_TOKEN_HTTP_AUTHORIZATION, false},
    {"content-type", WSI_TOKEN_HTTP_CONTENT_TYPE, false},
    {"cookie", WSI_TOKEN_HTTP_COOKIE, false},
    {"user-agent", WSI_TOKEN_HTTP_USER_AGENT, false},
    {"accept", WSI_TOKEN_HTTP_ACCEPT, false},
    {"referer", WSI_TOKEN_HTTP_REFERER, false},
    {"if-none-match", WSI_TOKEN_HTTP_IF_NONE_MATCH, false},
    {"access-control-request-headers", WSI_TOKEN_HTTP_AC_REQUEST_HEADERS, false},
    {"x-forwarded-for", WSI_TOKEN_X_FORWARDED_FOR, false},
    {"traceparent", 0, true},
    {"access-control-request-method", 0, true},
};

struct slice http_head_method(struct lws *wsi, int *uri_token_r) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (!lws_hdr_total_length(wsi, methods[i].uri)) continue;
        *uri_token_r = (int)methods[i].uri;
        return slice_of(methods[i].method);
    }
    *uri_token_r = -1;
    return SLICE_NONE;
}

static bool read_known(struct lws *wsi, size_t i, char *value) {
    if (!known[i].custom) return lws_hdr_copy(wsi, value, HEADER_VALUE_MAX, known[i].token) > 0;
    char name[64];
    int len = snprintf(name, sizeof name, "%s:", known[i].name);
    int value_len = lws_hdr_custom_length(wsi, name, len);
    return value_len > 0 && value_len < HEADER_VALUE_MAX &&
           lws_hdr_custom_copy(wsi, value, HEADER_VALUE_MAX, name, len) > 0;
}

/* lws splits the query and undoes its escapes: each piece is escaped again, so that nothing is decoded twice. */
static void write_query(struct lws *wsi, struct buffer *out) {
    char piece[HEADER_VALUE_MAX];
    int len;
    for (int i = 0; (len = lws_hdr_copy_fragment(wsi, piece, sizeof piece, WSI_TOKEN_HTTP_URI_ARGS, i)) >= 0; i++) {
        if (i > 0) buffer_append_char(out, '&');
        bool value = false;
        for (int at = 0; at < len; at++) {
            unsigned char c = (unsigned char)piece[at];
            if (c == '=' && !value) {
                value = true;
                buffer_append_char(out, '=');
            } else if (isalnum(c) || strchr("-_.~", c))
                buffer_append_char(out, (char)c);
            else
                buffer_printf(out, "%%%02X", c);
        }
    }
}

void http_head_read(struct http_exchange *exchange) {
    struct lws *wsi = exchange->conn->wsi;
    char value[HEADER_VALUE_MAX];
    int uri = -1;
    exchange->method = http_head_method(wsi, &uri);
    if (uri >= 0 && lws_hdr_copy(wsi, value, sizeof value, (enum lws_token_indexes)uri) > 0)
        buffer_append_str(&exchange->path, value);
    write_query(wsi, &exchange->query);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!read_known(wsi, i, value)) continue;
        buffer_append(&exchange->headers, known[i].name, strlen(known[i].name) + 1);
        buffer_append(&exchange->headers, value, strlen(value) + 1);
    }
    char connection[64];
    if (lws_hdr_copy(wsi, connection, sizeof connection, WSI_TOKEN_CONNECTION) > 0) {
        exchange->close = strcasestr(connection, "close") != NULL;
    }
}

struct slice http_head_find(const struct buffer *headers, const char *name) {
    for (size_t at = 0; at < headers->len;) {
        const char *key = headers->ptr + at, *value = key + strlen(key) + 1;
        if (strcmp(key, name) == 0) return slice_of(value);
        at = (size_t)(value + strlen(value) + 1 - headers->ptr);
    }
    return SLICE_NONE;
}

struct slice http_header(const struct http_request *request, const char *name) {
    return http_head_find(&request->exchange->headers, name);
}

void http_write_headers_json(const struct http_request *request, struct buffer *out) {
    const struct buffer *headers = &request->exchange->headers;
    buffer_append_char(out, '{');
    for (size_t at = 0; at < headers->len;) {
        const char *key = headers->ptr + at, *value = key + strlen(key) + 1;
        at = (size_t)(value + strlen(value) + 1 - headers->ptr);
        if (!utf8_valid(slice_of(value))) continue;
        if (out->ptr[out->len - 1] != '{') buffer_append_char(out, ',');
        json_write_string(out, slice_of(key));
        buffer_append_char(out, ':');
        json_write_string(out, slice_of(value));
    }
    buffer_append_char(out, '}');
}

static bool repeated(struct lws *wsi, enum lws_token_indexes token) {
    return lws_hdr_fragment_length(wsi, token, 1) > 0;
}

/* -1: none; -2: not a plain decimal number. */
int64_t http_head_content_length(struct lws *wsi) {
    char text[32];
    int len = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (len == 0) return -1;
    if (len > CONTENT_LENGTH_DIGITS || lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return -2;
    for (int i = 0; i < len; i++)
        if (!isdigit((unsigned char)text[i])) return -2;
    return strtoll(text, NULL, 10);
}

const char *http_head_fault(struct lws *wsi) {
    int uri;
    if (!http_head_method(wsi, &uri).len) return "method";
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING)) return "transfer_encoding";
    if (repeated(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) || http_head_content_length(wsi) == -2) return "content_length";
    if (repeated(wsi, WSI_TOKEN_HOST)) return "host";
    if (repeated(wsi, WSI_TOKEN_ORIGIN)) return "origin_twice";
    return NULL;
}

static bool good_key(struct lws *wsi) {
    char key[64];
    if (repeated(wsi, WSI_TOKEN_KEY) || lws_hdr_copy(wsi, key, sizeof key, WSI_TOKEN_KEY) != KEY_LEN) return false;
    for (int i = 0; i < KEY_LEN - 2; i++)
        if (!isalnum((unsigned char)key[i]) && key[i] != '+' && key[i] != '/') return false;
    return strcmp(key + KEY_LEN - 2, "==") == 0;
}

unsigned http_head_upgrade_fault(struct lws *wsi) {
    char version[16] = "", http[16] = "", upgrade[32] = "", protocol[128] = "";
    lws_hdr_copy(wsi, version, sizeof version, WSI_TOKEN_VERSION);
    lws_hdr_copy(wsi, http, sizeof http, WSI_TOKEN_HTTP);
    lws_hdr_copy(wsi, upgrade, sizeof upgrade, WSI_TOKEN_UPGRADE);
    if (!lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) || strcmp(http, "HTTP/1.1") != 0) return 400;
    if (strcasecmp(upgrade, "websocket") != 0 || http_head_content_length(wsi) > 0) return 400;
    if (strcmp(version, "13") != 0) return 426;
    /* lws_hdr_copy fails for what does not fit */
    if (lws_hdr_copy(wsi, protocol, sizeof protocol, WSI_TOKEN_PROTOCOL) < 0) return 400;
    return good_key(wsi) && lws_hdr_total_length(wsi, WSI_TOKEN_HOST) ? 0 : 400;
}
