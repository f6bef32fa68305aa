/* SPDX-License-Identifier: Apache-2.0 */
/* forwarded.h - X-Forwarded-For, in which each proxy puts whom it speaks for behind what it was told. Pure. */
#ifndef WIRE_FORWARDED_H
#define WIRE_FORWARDED_H

#include "base/address.h"

struct http_head;

/* address: the peer; it becomes the last one that no trusted proxy is, from the right, or the first of all. False: a
 * trusted proxy names what is no address. */
bool forwarded_client(const struct http_head *head, const struct networks *trusted, struct address *address) MUST_CHECK;

#endif
