/* SPDX-License-Identifier: Apache-2.0 */
/* The readers of core/wire and core/net, combined as in net/http.c and net/websocket.c. */
#include "decode_net.h"

#include <stdlib.h>

#include "net/http_upgrade.h"
#include "net/inbound.h"
#include "wire/chunked.h"
#include "wire/deflate_offer.h"
#include "wire/http_head.h"

enum { HEAD_MAX = 16384, MESSAGE_MAX = 4096 };

static void write_text(struct buffer *out, struct slice text) {
    buffer_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            buffer_printf(out, "\\u%04x", (unsigned)c);
        else
            buffer_append_char(out, (char)c);
    }
    buffer_append_char(out, '"');
}

/* ---- HTTP */

struct http_decoder {
    struct buffer unread, body;
    struct http_head head; /* in head_bytes */
    struct buffer head_bytes;
    struct chunked_reader chunks;
    bool in_body, over;
    const char *comma;
};

static void write_fields(struct buffer *out, struct slice fields) {
    const char *comma = "";
    while (fields.len > 0) {
        const char *end = memchr(fields.ptr, '\r', fields.len), *colon = memchr(fields.ptr, ':', fields.len);
        struct slice name = {fields.ptr, (size_t)(colon - fields.ptr)};
        struct slice value = {colon + 1, (size_t)(end - colon) - 1};
        while (value.len > 0 && strchr(" \t", value.ptr[0])) value = slice_from(value, 1);
        while (value.len > 0 && strchr(" \t", value.ptr[value.len - 1])) value.len--;
        buffer_append_str(out, comma);
        buffer_append_char(out, '[');
        write_text(out, name);
        buffer_append_char(out, ',');
        write_text(out, value);
        buffer_append_char(out, ']');
        comma = ",";
        fields = slice_from(fields, (size_t)(end + 2 - fields.ptr));
    }
}

static void write_request(struct http_decoder *decoder, struct buffer *out) {
    const struct http_head *head = &decoder->head;
    buffer_append_str(out, decoder->comma);
    decoder->comma = ",";
    buffer_append_str(out, "{\"method\":");
    write_text(out, head->method);
    buffer_append_str(out, ",\"target\":");
    write_text(out, (struct slice){head->path.ptr, head->path.len + (head->query.ptr ? head->query.len + 1 : 0)});
    buffer_printf(out, ",\"minor\":%u,\"fields\":[", head->minor);
    write_fields(out, head->fields);
    buffer_append_str(out, "],\"body\":");
    write_text(out, buffer_slice(&decoder->body));
    buffer_append_char(out, '}');
}

static void end(struct http_decoder *decoder, struct buffer *out, const char *how) {
    buffer_printf(out, "%s[\"%s\"]", decoder->comma, how);
    decoder->over = true;
}

static void refuse(struct http_decoder *decoder, struct buffer *out, const char *fault) {
    buffer_printf(out, "%s[\"refused\",\"%s\"]", decoder->comma, fault);
    decoder->over = true;
}

/* True: the rest is not HTTP, or empty. */
static bool begins_websocket(struct http_decoder *decoder, struct buffer *out) {
    struct deflate_offer deflate;
    const char *fault;
    if (!http_head_lists(&decoder->head, "upgrade", "websocket")) return false;
    if (http_upgrade_fault(&decoder->head, &deflate, &fault))
        refuse(decoder, out, fault);
    else
        end(decoder, out, "websocket");
    return true;
}

/* The request is complete. */
static void end_request(struct http_decoder *decoder, struct buffer *out) {
    const struct http_head *head = &decoder->head;
    write_request(decoder, out);
    decoder->in_body = false;
    if (head->minor == 0 || http_head_lists(head, "connection", "close")) end(decoder, out, "closed");
}

/* False: more is needed. */
static bool read_head(struct http_decoder *decoder, struct buffer *out) {
    struct slice unread = buffer_slice(&decoder->unread);
    struct http_head head;
    enum http_head_result result = http_head_parse(unread, HEAD_MAX, &head);
    if (result == HTTP_HEAD_PARTIAL) return false;
    if (result == HTTP_HEAD_BAD) {
        refuse(decoder, out, head.fault);
        return true;
    }
    buffer_clear(&decoder->head_bytes);
    buffer_append(&decoder->head_bytes, unread.ptr, head.bytes);
    buffer_consume(&decoder->unread, head.bytes);
    if (http_head_parse(buffer_slice(&decoder->head_bytes), HEAD_MAX, &decoder->head) != HTTP_HEAD_COMPLETE) abort();
    if (begins_websocket(decoder, out)) return true;
    buffer_clear(&decoder->body);
    decoder->chunks = (struct chunked_reader){0};
    decoder->in_body = head.chunked || head.body_bytes > 0;
    if (!decoder->in_body) end_request(decoder, out);
    return true;
}

static bool read_length(struct http_decoder *decoder, struct buffer *out) {
    size_t left = (size_t)decoder->head.body_bytes - decoder->body.len, len = decoder->unread.len;
    if (len > left) len = left;
    buffer_append(&decoder->body, decoder->unread.ptr, len);
    buffer_consume(&decoder->unread, len);
    if (len == left) end_request(decoder, out);
    return len == left;
}

static bool read_chunks(struct http_decoder *decoder, struct buffer *out) {
    struct slice unread = buffer_slice(&decoder->unread), piece;
    const char *at = unread.ptr;
    enum chunked_event event;
    while ((event = chunked_read(&decoder->chunks, &at, slice_end(unread), &piece)) == CHUNKED_PIECE)
        buffer_append_slice(&decoder->body, piece);
    buffer_consume(&decoder->unread, (size_t)(at - unread.ptr));
    if (event == CHUNKED_BAD) refuse(decoder, out, "chunk");
    if (event == CHUNKED_END) end_request(decoder, out);
    return event != CHUNKED_MORE;
}

static bool read_body(struct http_decoder *decoder, struct buffer *out) {
    return decoder->head.chunked ? read_chunks(decoder, out) : read_length(decoder, out);
}

void decode_http(const struct slice *pieces, unsigned len, struct buffer *out) {
    struct http_decoder decoder = {.comma = ""};
    buffer_append_char(out, '[');
    for (unsigned i = 0; i < len && !decoder.over; i++) {
        buffer_append_slice(&decoder.unread, pieces[i]);
        bool more = decoder.unread.len > 0;
        while (more && !decoder.over && decoder.unread.len > 0)
            more = decoder.in_body ? read_body(&decoder, out) : read_head(&decoder, out);
    }
    if (!decoder.over) end(&decoder, out, "more");
    buffer_append_char(out, ']');
    buffer_done(&decoder.unread);
    buffer_done(&decoder.body);
    buffer_done(&decoder.head_bytes);
}

/* ---- WebSocket */

struct websocket_decoder {
    struct websocket_reader reader;
    struct inbound inbound;
    struct buffer unread;
    bool over;
    const char *comma;
};

static struct inbound_shared shared;

static void tell(struct websocket_decoder *decoder, struct buffer *out, const char *what, struct slice payload) {
    buffer_printf(out, "%s[\"%s\",", decoder->comma, what);
    write_text(out, payload);
    buffer_append_char(out, ']');
    decoder->comma = ",";
}

static void fail(struct websocket_decoder *decoder, struct buffer *out, unsigned code) {
    buffer_printf(out, "%s[\"fail\",%u]", decoder->comma, code);
    decoder->comma = ",";
    decoder->over = true;
}

static void add_piece(struct websocket_decoder *decoder, const struct websocket_found *piece, struct buffer *out) {
    struct slice message;
    unsigned code = inbound_add(&decoder->inbound, &shared, piece, MESSAGE_MAX, 0, &message);
    if (code)
        fail(decoder, out, code);
    else if (message.ptr)
        tell(decoder, out, piece->binary ? "binary" : "text", message);
}

static void obey(struct websocket_decoder *decoder, enum websocket_event event, const struct websocket_found *found,
                 struct buffer *out) {
    switch (event) {
        case WEBSOCKET_PIECE:
            add_piece(decoder, found, out);
            break;
        case WEBSOCKET_PING:
        case WEBSOCKET_PONG:
            tell(decoder, out, event == WEBSOCKET_PING ? "ping" : "pong", found->payload);
            break;
        case WEBSOCKET_CLOSE:
            buffer_printf(out, "%s[\"close\",%u,", decoder->comma, found->code);
            write_text(out, found->payload);
            buffer_append_char(out, ']');
            decoder->over = true;
            break;
        default:
            fail(decoder, out, found->code);
    }
}

static void read_frames(struct websocket_decoder *decoder, struct buffer *out) {
    char *at = decoder->unread.ptr, *end_of = at + decoder->unread.len;
    while (!decoder->over) {
        struct websocket_found found;
        enum websocket_event event = websocket_reader_read(&decoder->reader, &at, end_of, &found);
        if (event == WEBSOCKET_MORE) break;
        obey(decoder, event, &found, out);
    }
    buffer_consume(&decoder->unread, (size_t)(at - decoder->unread.ptr));
}

void decode_websocket(const struct slice *pieces, unsigned len, bool may_compress, struct buffer *out) {
    struct websocket_decoder decoder = {.reader.may_compress = may_compress, .comma = ""};
    buffer_append_char(out, '[');
    for (unsigned i = 0; i < len && !decoder.over; i++) {
        if (pieces[i].len == 0) continue;
        buffer_append_slice(&decoder.unread, pieces[i]);
        read_frames(&decoder, out);
    }
    buffer_append_char(out, ']');
    inbound_done(&decoder.inbound);
    inbound_shared_done(&shared);
    buffer_done(&decoder.unread);
}
