/* SPDX-License-Identifier: Apache-2.0 */
/* address.h - addresses of peers, and networks of them, in one form wherever they came from.
 *
 * An IPv4 address that is written as IPv6 (::ffff:192.0.2.7) is that IPv4 address. Whoever comes by a Unix socket has
 * the address "unix".
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

struct sockaddr_storage;

enum { ADDRESS_TEXT_MAX = 46, NETWORK_TEXT_MAX = ADDRESS_TEXT_MAX + 4 };

struct address {
    uint8_t len; /* 4 (IPv4), 16 (IPv6), 0 (a Unix socket's) */
    uint8_t bytes[16];
};

/* Of 4 or 16 bytes, in network order. */
struct address address_of(const void *bytes, size_t len);
struct address address_of_socket(const struct sockaddr_storage *peer);
/* "192.0.2.7", "2001:db8::7" or "unix". */
bool address_parse(struct slice text, struct address *address_r) MUST_CHECK;
void address_write(const struct address *address, char text_r[ADDRESS_TEXT_MAX]);
bool address_is_loopback(const struct address *address);

/* Those whose first bits are the same. */
struct network {
    struct address address;
    unsigned bits;
};
/* "10.0.0.0/8", or an address alone; no bit behind the prefix may be set. */
bool network_parse(struct slice text, struct network *network_r) MUST_CHECK;
/* The one of so many bits that the address is in. */
struct network network_of(const struct address *address, unsigned bits);
bool network_has(const struct network *network, const struct address *address);
/* An address alone when it is one. */
void network_write(const struct network *network, char text_r[NETWORK_TEXT_MAX]);

struct networks {
    struct network *items;
    size_t len;
};
/* NULL: all are networks, and in networks_r; else the text that is none. */
const char *networks_parse(const char *const *texts, size_t len, struct networks *networks_r) MUST_CHECK;
void networks_done(struct networks *networks);
bool networks_have(const struct networks *networks, const struct address *address);

#endif
