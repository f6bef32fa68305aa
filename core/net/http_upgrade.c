/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_upgrade.h"

#include <ctype.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "wire/base64.h"
#include "wire/deflate_offer.h"
#include "wire/http_head.h"

enum { KEY_LEN = 24 };

/* 16 bytes in base64: the last character before the padding holds two bits. */
static bool key_legal(struct slice key) {
    if (key.len != KEY_LEN || memcmp(key.ptr + KEY_LEN - 2, "==", 2) != 0) return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++)
        if (!isalnum((unsigned char)key.ptr[i]) && key.ptr[i] != '+' && key.ptr[i] != '/') return false;
    return strchr("AQgw", key.ptr[KEY_LEN - 3]) != NULL;
}

static bool read_extensions(const struct http_head *head, struct deflate_offer *deflate_r) {
    struct slice rest = head->fields, value;
    *deflate_r = (struct deflate_offer){0};
    while (http_head_next(&rest, "sec-websocket-extensions", &value))
        if (!deflate_offer_read(value, deflate_r)) return false;
    return true;
}

/* The remaining lines that offer subprotocols, and the rest of the current one. */
struct protocols {
    struct slice fields, list;
    bool sound; /* all names so far were tokens */
};

static bool next_protocol(struct protocols *protocols, struct slice *protocol_r) {
    do {
        if (protocols->list.len == 0 && !http_head_next(&protocols->fields, "sec-websocket-protocol", &protocols->list))
            return false;
        *protocol_r = http_head_list_take(&protocols->list);
    } while (protocol_r->len == 0); /* RFC 9110, section 5.6.1.2 */
    for (size_t i = 0; i < protocol_r->len; i++)
        protocols->sound &= http_head_is_token_char((unsigned char)protocol_r->ptr[i]);
    return protocols->sound;
}

static bool protocols_legal(const struct http_head *head) {
    struct protocols protocols = {.fields = head->fields, .sound = true};
    struct slice protocol;
    while (next_protocol(&protocols, &protocol)) continue;
    return protocols.sound;
}

struct slice http_upgrade_protocol(const struct http_head *head, const char *const *names, size_t len) {
    struct protocols protocols = {.fields = head->fields, .sound = true};
    struct slice protocol;
    while (next_protocol(&protocols, &protocol))
        for (size_t i = 0; i < len; i++)
            if (slice_is(protocol, names[i])) return protocol;
    return SLICE_NONE;
}

unsigned http_upgrade_fault(const struct http_head *head, struct deflate_offer *deflate_r, const char **fault_r) {
    bool has_body = head->body_bytes > 0 || head->chunked;
    *fault_r = "handshake";
    if (!slice_is(head->method, "GET") || head->minor != 1 || has_body) return 400;
    if (!http_head_lists(head, "connection", "upgrade")) return 400;
    if (!slice_is(http_head_field(head, "sec-websocket-version"), "13")) return *fault_r = "websocket_version", 426;
    if (!key_legal(http_head_field(head, "sec-websocket-key"))) return 400;
    if (!read_extensions(head, deflate_r)) return *fault_r = "extensions", 400;
    if (!protocols_legal(head)) return *fault_r = "subprotocol", 400;
    return 0;
}

static void write_accept(struct buffer *out, struct slice key) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[KEY_LEN + sizeof guid - 1];
    unsigned char digest[SHA_DIGEST_LENGTH];
    memcpy(text, key.ptr, KEY_LEN);
    memcpy(text + KEY_LEN, guid, sizeof guid - 1);
    SHA1((const unsigned char *)text, sizeof text, digest);
    base64_encode(out, (struct slice){(const char *)digest, sizeof digest});
}

void http_upgrade_write(struct buffer *out, const struct http_head *head, struct slice protocol,
                        const struct deflate_offer *deflate) {
    buffer_append_str(out,
                      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
                      "sec-websocket-accept: ");
    write_accept(out, http_head_field(head, "sec-websocket-key"));
    buffer_append_str(out, "\r\n");
    if (protocol.len > 0) buffer_printf(out, "sec-websocket-protocol: %.*s\r\n", SLICE_ARG(protocol));
    deflate_offer_answer(deflate, out);
    buffer_append_str(out, "\r\n");
}
