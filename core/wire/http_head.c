/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/http_head.h"

#include <strings.h>

static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

/* Single-valued fields: a second one could give the request two meanings. */
#define NAME(text) \
    { text, sizeof(text) - 1 }
static const struct slice single[] = {
    NAME("host"),
    NAME("content-length"),
    NAME("content-type"),
    NAME("origin"),
    NAME("authorization"),
    NAME("user-agent"),
    NAME("referer"),
    NAME("traceparent"),
    NAME("sec-websocket-key"),
    NAME("cookie"),
    NAME("sec-websocket-version"),
    NAME("x-real-ip"),
    NAME("sec-websocket-origin"),
    NAME("access-control-request-method"),
};
enum { SINGLE_LEN = sizeof single / sizeof *single };

bool http_head_is_token_char(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_hex(unsigned char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static enum http_head_result bad(struct http_head *head, unsigned status, const char *fault) {
    head->status = status;
    head->fault = fault;
    return HTTP_HEAD_BAD;
}

static bool same_name(struct slice name, struct slice lower) {
    return name.len == lower.len && strncasecmp(name.ptr, lower.ptr, name.len) == 0;
}

static struct slice trim(struct slice s) {
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) s.ptr++, s.len--;
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) s.len--;
    return s;
}

/* The line without its CRLF; false: it is not complete. A line with a CR, LF or NUL elsewhere is not a line. */
static bool take_line(struct slice *rest, struct slice *line_r, bool *broken_r) {
    const char *end = memchr(rest->ptr, '\n', rest->len);
    *broken_r = false;
    if (!end) return false;
    size_t len = (size_t)(end - rest->ptr);
    *broken_r = len == 0 || end[-1] != '\r' || memchr(rest->ptr, '\r', len - 1) || memchr(rest->ptr, 0, len);
    *line_r = (struct slice){rest->ptr, len > 0 ? len - 1 : 0};
    *rest = slice_from(*rest, len + 1);
    return true;
}

/* Printable ASCII from '/', with whole and harmless escapes. */
static bool target_legal(struct slice target) {
    size_t arguments = 0;
    if (target.len == 0 || target.ptr[0] != '/') return false;
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '#') return false;
        if (c == '&' || c == ';') arguments++;
        if (c != '%') continue;
        if (i + 2 >= target.len) return false;
        if (!is_hex((unsigned char)target.ptr[i + 1]) || !is_hex((unsigned char)target.ptr[i + 2])) return false;
        if (target.ptr[i + 1] == '0' && target.ptr[i + 2] == '0') return false;
    }
    return arguments < HTTP_HEAD_ARGUMENTS_MAX;
}

static bool method_known(struct slice method) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (slice_is(method, methods[i])) return true;
    return false;
}

static enum http_head_result parse_request_line(struct slice line, struct http_head *head) {
    const char *first = memchr(line.ptr, ' ', line.len);
    if (!first) return bad(head, 400, "request_line");
    head->method = (struct slice){line.ptr, (size_t)(first - line.ptr)};
    struct slice rest = slice_from(line, head->method.len + 1);
    const char *second = memchr(rest.ptr, ' ', rest.len);
    if (!second) return bad(head, 400, "request_line");
    struct slice target = {rest.ptr, (size_t)(second - rest.ptr)}, version = slice_from(rest, target.len + 1);

    if (slice_is(version, "HTTP/1.1"))
        head->minor = 1;
    else if (!slice_is(version, "HTTP/1.0"))
        return bad(head, version.len == 8 && memcmp(version.ptr, "HTTP/", 5) == 0 ? 505 : 400, "version");
    if (!method_known(head->method)) return bad(head, 501, "method");
    if (!target_legal(target)) return bad(head, 400, "target");
    const char *mark = memchr(target.ptr, '?', target.len);
    head->path = mark ? (struct slice){target.ptr, (size_t)(mark - target.ptr)} : target;
    head->query = mark ? slice_from(target, head->path.len + 1) : SLICE_NONE;
    return HTTP_HEAD_COMPLETE;
}

static bool parse_length(struct slice value, uint64_t *length_r) {
    uint64_t length = 0;
    if (value.len == 0 || value.len > 18) return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9') return false;
        length = length * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    *length_r = length;
    return true;
}

static bool split_field(struct slice line, struct slice *name_r, struct slice *value_r) {
    const char *colon = memchr(line.ptr, ':', line.len);
    if (!colon || colon == line.ptr) return false;
    *name_r = (struct slice){line.ptr, (size_t)(colon - line.ptr)};
    *value_r = trim(slice_from(line, name_r->len + 1));
    return true;
}

static bool field_legal(struct slice name, struct slice value) {
    for (size_t i = 0; i < name.len; i++)
        if (!http_head_is_token_char((unsigned char)name.ptr[i])) return false;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
    }
    return true;
}

/* seen: a bit for each of single[]. */
static enum http_head_result parse_field(struct slice line, struct http_head *head, uint32_t *seen) {
    struct slice name, value;
    if (!split_field(line, &name, &value) || !field_legal(name, value)) return bad(head, 400, "field");
    if (same_name(name, SLICE("transfer-encoding"))) {
        if (!same_name(value, SLICE("chunked")) || head->chunked) return bad(head, 400, "transfer_encoding");
        head->chunked = true;
    }
    for (unsigned i = 0; i < SINGLE_LEN; i++) {
        if (!same_name(name, single[i])) continue;
        if (*seen & 1u << i) return bad(head, 400, "field_twice");
        *seen |= 1u << i;
    }
    if (same_name(name, SLICE("content-length"))) {
        if (!parse_length(value, &head->body_bytes)) return bad(head, 400, "content_length");
        head->has_length = true;
    }
    return HTTP_HEAD_COMPLETE;
}

static enum http_head_result incomplete(size_t bytes, size_t max_bytes, struct http_head *head, unsigned lines) {
    if (bytes < max_bytes) return HTTP_HEAD_PARTIAL;
    return lines == 0 ? bad(head, 414, "request_line_long") : bad(head, 431, "head_long");
}

/* Checks that involve several lines (RFC 9112, sections 3.2 and 6.1). */
static enum http_head_result judge(struct http_head *head) {
    if (http_head_field(head, "host").len == 0 && head->minor == 1) return bad(head, 400, "host");
    if (head->chunked && (head->has_length || head->minor == 0)) return bad(head, 400, "transfer_encoding");
    return HTTP_HEAD_COMPLETE;
}

enum http_head_result http_head_parse(struct slice bytes, size_t max_bytes, struct http_head *head_r) {
    if (bytes.len > max_bytes) bytes.len = max_bytes;
    struct slice rest = bytes, line;
    uint32_t seen = 0;
    bool broken;
    *head_r = (struct http_head){0};
    _Static_assert(SINGLE_LEN <= 32, "a bit each");

    for (unsigned lines = 0;; lines++) {
        if (lines > 0) head_r->fields.len = (size_t)(rest.ptr - head_r->fields.ptr);
        if (!take_line(&rest, &line, &broken)) return incomplete(bytes.len, max_bytes, head_r, lines);
        if (broken) return bad(head_r, 400, "line_end");
        if (lines > 0 && line.len == 0) break;
        if (lines > HTTP_HEAD_FIELDS_MAX) return bad(head_r, 431, "fields");
        enum http_head_result result = lines == 0 ? parse_request_line(line, head_r) : parse_field(line, head_r, &seen);
        if (result != HTTP_HEAD_COMPLETE) return result;
        if (lines == 0) head_r->fields.ptr = rest.ptr;
    }
    head_r->bytes = bytes.len - rest.len;
    return judge(head_r);
}

/* The lines are known to be whole and sound: this may be quick. */
bool http_head_next(struct slice *rest, const char *name, struct slice *value_r) {
    size_t len = strlen(name);
    while (rest->len > 0) {
        const char *end = memchr(rest->ptr, '\r', rest->len);
        struct slice line = {rest->ptr, (size_t)(end - rest->ptr)};
        *rest = slice_from(*rest, line.len + 2);
        if (line.len <= len || line.ptr[len] != ':' || strncasecmp(line.ptr, name, len) != 0) continue;
        *value_r = trim(slice_from(line, len + 1));
        return true;
    }
    return false;
}

struct slice http_head_field(const struct http_head *head, const char *name) {
    struct slice rest = head->fields, value = SLICE_NONE;
    return http_head_next(&rest, name, &value) ? value : SLICE_NONE;
}

struct slice http_head_list_take(struct slice *list) {
    const char *comma = list->len > 0 ? memchr(list->ptr, ',', list->len) : NULL;
    struct slice item = {list->ptr, comma ? (size_t)(comma - list->ptr) : list->len};
    *list = slice_from(*list, item.len + (comma ? 1 : 0));
    return trim(item);
}

bool http_head_list_has(struct slice list, const char *word) {
    while (list.len > 0)
        if (same_name(http_head_list_take(&list), slice_of(word))) return true;
    return false;
}

bool http_head_lists(const struct http_head *head, const char *name, const char *word) {
    struct slice rest = head->fields, value;
    while (http_head_next(&rest, name, &value))
        if (http_head_list_has(value, word)) return true;
    return false;
}
