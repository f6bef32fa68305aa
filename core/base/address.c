/* SPDX-License-Identifier: Apache-2.0 */
#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { IPV4_LEN = 4, IPV6_LEN = 16, MAPPED_BITS = 96 };

struct address address_of(const void *bytes, size_t len) {
    static const uint8_t mapped[MAPPED_BITS / 8] = {[10] = 0xff, [11] = 0xff};
    struct address address = {.len = (uint8_t)len};
    if (len == IPV6_LEN && memcmp(bytes, mapped, sizeof mapped) == 0) {
        address.len = IPV4_LEN;
        bytes = (const uint8_t *)bytes + sizeof mapped;
    }
    memcpy(address.bytes, bytes, address.len);
    return address;
}

struct address address_of_socket(const struct sockaddr_storage *peer) {
    switch (peer->ss_family) {
        case AF_INET:
            return address_of(&((const struct sockaddr_in *)peer)->sin_addr, IPV4_LEN);
        case AF_INET6:
            return address_of(&((const struct sockaddr_in6 *)peer)->sin6_addr, IPV6_LEN);
        default:
            return (struct address){0};
    }
}

bool address_parse(struct slice text, struct address *address_r) {
    char copy[ADDRESS_TEXT_MAX];
    uint8_t bytes[IPV6_LEN];
    *address_r = (struct address){0};
    if (slice_is(text, "unix")) return true;
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.ptr, 0, text.len)) return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    bool v6 = memchr(text.ptr, ':', text.len);
    if (inet_pton(v6 ? AF_INET6 : AF_INET, copy, bytes) != 1) return false;
    *address_r = address_of(bytes, v6 ? IPV6_LEN : IPV4_LEN);
    return true;
}

void address_write(const struct address *address, char text_r[ADDRESS_TEXT_MAX]) {
    if (address->len == 0 ||
        !inet_ntop(address->len == IPV4_LEN ? AF_INET : AF_INET6, address->bytes, text_r, ADDRESS_TEXT_MAX))
        memcpy(text_r, "unix", sizeof "unix");
}

bool address_is_loopback(const struct address *address) {
    static const uint8_t one[IPV6_LEN] = {[15] = 1};
    if (address->len == IPV4_LEN) return address->bytes[0] == 127;
    return address->len == IPV6_LEN && memcmp(address->bytes, one, sizeof one) == 0;
}

struct network network_of(const struct address *address, unsigned bits) {
    struct network network = {*address, bits < address->len * 8U ? bits : address->len * 8U};
    for (unsigned i = 0; i < address->len; i++) {
        unsigned kept = network.bits > i * 8 ? network.bits - i * 8 : 0;
        if (kept < 8) network.address.bytes[i] &= (uint8_t)(0xff00 >> kept);
    }
    return network;
}

bool network_has(const struct network *network, const struct address *address) {
    if (network->address.len != address->len) return false;
    struct network theirs = network_of(address, network->bits);
    return memcmp(theirs.address.bytes, network->address.bytes, address->len) == 0;
}

static bool read_bits(struct slice text, unsigned *bits_r) {
    *bits_r = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        *bits_r = *bits_r * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return text.len >= 1 && text.len <= 3;
}

bool network_parse(struct slice text, struct network *network_r) {
    const char *slash = text.len ? memchr(text.ptr, '/', text.len) : NULL;
    struct slice alone = {text.ptr, slash ? (size_t)(slash - text.ptr) : text.len};
    struct address address;
    if (!address_parse(alone, &address)) return false;
    unsigned most = address.len * 8U, bits = most;
    if (slash) {
        bool mapped = address.len == IPV4_LEN && memchr(alone.ptr, ':', alone.len);
        if (!read_bits(slice_from(text, alone.len + 1), &bits)) return false;
        if (mapped && bits < MAPPED_BITS) return false;
        if (mapped) bits -= MAPPED_BITS;
    }
    *network_r = network_of(&address, bits);
    return bits <= most && memcmp(network_r->address.bytes, address.bytes, address.len) == 0;
}

void network_write(const struct network *network, char text_r[NETWORK_TEXT_MAX]) {
    address_write(&network->address, text_r);
    size_t len = strlen(text_r);
    if (network->bits < network->address.len * 8U) snprintf(text_r + len, NETWORK_TEXT_MAX - len, "/%u", network->bits);
}

const char *networks_parse(const char *const *texts, size_t len, struct networks *networks_r) {
    *networks_r = (struct networks){len ? NEW_ARRAY(struct network, len) : NULL, len};
    for (size_t i = 0; i < len; i++) {
        if (network_parse(slice_of(texts[i]), &networks_r->items[i])) continue;
        networks_done(networks_r);
        return texts[i];
    }
    return NULL;
}

void networks_done(struct networks *networks) {
    free(networks->items);
    *networks = (struct networks){0};
}

bool networks_have(const struct networks *networks, const struct address *address) {
    for (size_t i = 0; i < networks->len; i++)
        if (network_has(&networks->items[i], address)) return true;
    return false;
}
