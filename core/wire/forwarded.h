/* SPDX-License-Identifier: Apache-2.0 */
/* forwarded.h - X-Forwarded-For, to which each proxy appends the address of its client. Pure. */
#ifndef WIRE_FORWARDED_H
#define WIRE_FORWARDED_H

#include "base/address.h"

struct http_head;

/* address: the peer. It becomes the rightmost address that is not a trusted proxy, or the first of all. False: a
 * trusted proxy sent something that is not an address. */
bool forwarded_client(const struct http_head *head, const struct networks *trusted, struct address *address) MUST_CHECK;

#endif
