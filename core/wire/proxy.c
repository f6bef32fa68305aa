/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/proxy.h"

#include <stdint.h>

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    SIGNATURE_LEN = sizeof signature - 1,
    V1_MAX = 107,
    V2_HEAD = SIGNATURE_LEN + 4,
    V2_IPV4 = 12,
    V2_IPV6 = 36,
    TLV_HEAD = 3,
};

static unsigned u16(const char *at) {
    return (unsigned)((unsigned char)at[0] << 8 | (unsigned char)at[1]);
}

/* Up to the next space; the rest follows it. */
static struct slice take_word(struct slice *rest) {
    const char *space = rest->len ? memchr(rest->ptr, ' ', rest->len) : NULL;
    struct slice word = {rest->ptr, space ? (size_t)(space - rest->ptr) : rest->len};
    *rest = slice_from(*rest, word.len + (space ? 1 : 0));
    return word;
}

static bool address_legal(bool v6, struct slice text, struct address *address_r) {
    return text.len > 0 && v6 == (memchr(text.ptr, ':', text.len) != NULL) && address_parse(text, address_r) &&
           address_r->len > 0;
}

static bool port_legal(struct slice text) {
    unsigned port = 0;
    if (text.len == 0 || text.len > 5) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        port = port * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return port <= 65535;
}

static enum proxy_result parse_v1(struct slice bytes, struct proxy_header *header) {
    size_t most = bytes.len < V1_MAX ? bytes.len : V1_MAX;
    const char *end = memchr(bytes.ptr, '\n', most);
    if (!end) return bytes.len < V1_MAX ? PROXY_PARTIAL : PROXY_BAD;
    struct slice rest = {bytes.ptr, (size_t)(end - bytes.ptr)};
    if (rest.ptr[rest.len - 1] != '\r') return PROXY_BAD;
    rest.len--;
    header->bytes = rest.len + 2;
    take_word(&rest);
    struct slice family = take_word(&rest);
    if (slice_is(family, "UNKNOWN")) {
        header->local = true;
        return PROXY_COMPLETE;
    }
    bool v6 = slice_is(family, "TCP6");
    struct address destination;
    struct slice from = take_word(&rest), to = take_word(&rest);
    struct slice from_port = take_word(&rest), to_port = take_word(&rest);
    bool good = (v6 || slice_is(family, "TCP4")) && rest.len == 0 && address_legal(v6, from, &header->address) &&
                address_legal(v6, to, &destination) && port_legal(from_port) && port_legal(to_port);
    return good ? PROXY_COMPLETE : PROXY_BAD;
}

static bool tlvs_legal(struct slice rest) {
    while (rest.len > 0) {
        if (rest.len < TLV_HEAD || rest.len - TLV_HEAD < u16(rest.ptr + 1)) return false;
        rest = slice_from(rest, TLV_HEAD + u16(rest.ptr + 1));
    }
    return true;
}

static enum proxy_result parse_v2(struct slice bytes, struct proxy_header *header) {
    if (bytes.len < V2_HEAD) return PROXY_PARTIAL;
    unsigned version = (unsigned char)bytes.ptr[12] >> 4, command = bytes.ptr[12] & 15;
    unsigned family = (unsigned char)bytes.ptr[13];
    size_t len = u16(bytes.ptr + 14);
    if (version != 2 || command > 1 || V2_HEAD + len > PROXY_HEADER_MAX) return PROXY_BAD;
    if (bytes.len < V2_HEAD + len) return PROXY_PARTIAL;
    struct slice rest = {bytes.ptr + V2_HEAD, len};
    header->bytes = V2_HEAD + len;
    header->local = command == 0;
    if (header->local) return PROXY_COMPLETE;
    bool v4 = family == 0x11, v6 = family == 0x21;
    size_t addresses = v4 ? V2_IPV4 : V2_IPV6;
    if ((!v4 && !v6) || len < addresses || !tlvs_legal(slice_from(rest, addresses))) return PROXY_BAD;
    header->address = address_of(rest.ptr, v4 ? 4 : 16);
    return PROXY_COMPLETE;
}

enum proxy_result proxy_parse(struct slice bytes, struct proxy_header *header_r) {
    static const struct slice v1 = {"PROXY ", 6}, v2 = {signature, SIGNATURE_LEN};
    *header_r = (struct proxy_header){0};
    if (bytes.len == 0) return PROXY_PARTIAL;
    struct slice expected = bytes.ptr[0] == 'P' ? v1 : v2;
    size_t common = bytes.len < expected.len ? bytes.len : expected.len;
    if (memcmp(bytes.ptr, expected.ptr, common) != 0) return PROXY_BAD;
    if (common < expected.len) return PROXY_PARTIAL;
    return expected.ptr == signature ? parse_v2(bytes, header_r) : parse_v1(bytes, header_r);
}
