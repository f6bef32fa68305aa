/* SPDX-License-Identifier: Apache-2.0 */
/* http_upgrade.h - a WebSocket handshake: checks it (RFC 6455, section 4.2.1) and writes the answer (4.2.2). core/net
 * only. */
#ifndef NET_HTTP_UPGRADE_H
#define NET_HTTP_UPGRADE_H

#include "base/slice.h"

struct buffer;
struct deflate_offer;
struct http_head;

/* Checks a handshake and reads its offers. Returns 0 (correct), or the HTTP status 400 or 426 with a word in fault_r.
 */
unsigned http_upgrade_fault(const struct http_head *head, struct deflate_offer *deflate_r, const char **fault_r);
/* The first subprotocol offered by the client that is in the list; empty: none. Borrowed from the head. */
struct slice http_upgrade_protocol(const struct http_head *head, const char *const *names, size_t len);
/* Appends the answer to an accepted handshake. */
void http_upgrade_write(struct buffer *out, const struct http_head *head, struct slice protocol,
                        const struct deflate_offer *deflate);

#endif
