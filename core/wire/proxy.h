/* SPDX-License-Identifier: Apache-2.0 */
/* proxy.h - the PROXY header, versions 1 and 2, with which a load balancer tells whom it speaks for. Pure. */
#ifndef WIRE_PROXY_H
#define WIRE_PROXY_H

#include "base/address.h"

enum { PROXY_HEADER_MAX = 536 };
enum proxy_result { PROXY_COMPLETE, PROXY_PARTIAL, PROXY_BAD };

struct proxy_header {
    size_t bytes; /* of the header: what follows is the client's */
    bool local;   /* the balancer speaks for itself (LOCAL, UNKNOWN): the socket's address holds */
    struct address address;
};

/* Addresses are IPv4 or IPv6. More than PROXY_HEADER_MAX bytes, a Unix socket, or a broken TLV is BAD. */
enum proxy_result proxy_parse(struct slice bytes, struct proxy_header *header_r) MUST_CHECK;

#endif
