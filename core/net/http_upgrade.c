/* A WebSocket handshake's form (RFC 6455, section 4.2.1), before anybody is asked or libwebsockets sees it. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "net/http_exchange.h"

enum { KEY_LEN = 24, OFFER_MAX = 200 };

/* 16 bytes in base64: the last character before the padding holds two bits. */
static bool key_legal(struct slice key) {
    if (key.len != KEY_LEN || memcmp(key.ptr + KEY_LEN - 2, "==", 2) != 0) return false;
    for (size_t i = 0; i < KEY_LEN - 2; i++)
        if (!isalnum((unsigned char)key.ptr[i]) && key.ptr[i] != '+' && key.ptr[i] != '/') return false;
    return strchr("AQgw", key.ptr[KEY_LEN - 3]) != NULL;
}

unsigned http_upgrade_fault(const struct http_head *head, const char **fault_r) {
    struct slice upgrade = http_head_field(head, "upgrade");
    bool websocket = upgrade.len == 9 && strncasecmp(upgrade.ptr, "websocket", 9) == 0;
    *fault_r = "handshake";
    if (!slice_is(head->method, "GET") || head->minor != 1 || head->body_bytes > 0 || !websocket) return 400;
    if (!http_list_has(http_head_field(head, "connection"), "upgrade")) return 400;
    if (!slice_is(http_head_field(head, "sec-websocket-version"), "13")) return *fault_r = "websocket_version", 426;
    if (!key_legal(http_head_field(head, "sec-websocket-key"))) return 400;
    /* libwebsockets cuts off without an answer what asks for a subprotocol, or for much */
    if (http_head_field(head, "sec-websocket-protocol").len > 0) return *fault_r = "subprotocol", 400;
    if (http_head_field(head, "sec-websocket-extensions").len > OFFER_MAX) return *fault_r = "extensions", 400;
    return 0;
}
