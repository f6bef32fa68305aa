/* SPDX-License-Identifier: Apache-2.0 */
/* http_upgrade.h - a WebSocket handshake: its form (RFC 6455, section 4.2.1), and the answer (4.2.2). core/net only. */
#ifndef NET_HTTP_UPGRADE_H
#define NET_HTTP_UPGRADE_H

#include "base/slice.h"

struct buffer;
struct deflate_offer;
struct http_head;

/* What a handshake's form deserves: 0 (correct; what it offers is read), 400 or 426; fault_r: the word for it. */
unsigned http_upgrade_fault(const struct http_head *head, struct deflate_offer *deflate_r, const char **fault_r);
/* The first subprotocol that the client offers and that is one of these; empty: none. Borrowed from the head. */
struct slice http_upgrade_protocol(const struct http_head *head, const char *const *names, size_t len);
/* The answer to one that is accepted. */
void http_upgrade_write(struct buffer *out, const struct http_head *head, struct slice protocol,
                        const struct deflate_offer *deflate);

#endif
