/* SPDX-License-Identifier: Apache-2.0 */
/* address.h - addresses of peers and networks, in one form whatever their source.
 *
 * An IPv4-mapped IPv6 address (::ffff:192.0.2.7) becomes the IPv4 address. A peer on a Unix socket has the address
 * "unix".
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

struct sockaddr_storage;

enum { ADDRESS_TEXT_MAX = 46, NETWORK_TEXT_MAX = ADDRESS_TEXT_MAX + 4 };

struct address {
    uint8_t len; /* 4 (IPv4), 16 (IPv6), 0 (Unix socket) */
    uint8_t bytes[16];
};

/* bytes: 4 or 16, in network order. */
struct address address_of(const void *bytes, size_t len);
struct address address_of_socket(const struct sockaddr_storage *peer);
/* "192.0.2.7", "2001:db8::7" or "unix". */
bool address_parse(struct slice text, struct address *address_r) MUST_CHECK;
void address_write(const struct address *address, char text_r[ADDRESS_TEXT_MAX]);
bool address_is_loopback(const struct address *address);

/* All addresses with the same first bits. */
struct network {
    struct address address;
    unsigned bits;
};
/* "10.0.0.0/8", or a single address; no bit after the prefix may be set. */
bool network_parse(struct slice text, struct network *network_r) MUST_CHECK;
/* The network of that many bits which contains the address. */
struct network network_of(const struct address *address, unsigned bits);
bool network_has(const struct network *network, const struct address *address);
/* Writes a single address without "/bits". */
void network_write(const struct network *network, char text_r[NETWORK_TEXT_MAX]);

struct networks {
    struct network *items;
    size_t len;
};
/* Returns NULL if all texts are networks (in networks_r), else the first text that is not one. */
const char *networks_parse(const char *const *texts, size_t len, struct networks *networks_r) MUST_CHECK;
void networks_done(struct networks *networks);
bool networks_have(const struct networks *networks, const struct address *address);

#endif
