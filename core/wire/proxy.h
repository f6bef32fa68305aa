/* SPDX-License-Identifier: Apache-2.0 */
/* proxy.h - the PROXY header, versions 1 and 2, in which a load balancer names the client. Pure. */
#ifndef WIRE_PROXY_H
#define WIRE_PROXY_H

#include "base/address.h"

enum { PROXY_HEADER_MAX = 536 };
enum proxy_result { PROXY_COMPLETE, PROXY_PARTIAL, PROXY_BAD };

struct proxy_header {
    size_t bytes; /* length of the header; the client's bytes follow */
    bool local;   /* the balancer's own connection (LOCAL, UNKNOWN): use the socket's address */
    struct address address;
};

/* Addresses are IPv4 or IPv6. More than PROXY_HEADER_MAX bytes, a Unix socket, or a broken TLV is BAD. */
enum proxy_result proxy_parse(struct slice bytes, struct proxy_header *header_r) MUST_CHECK;

#endif
