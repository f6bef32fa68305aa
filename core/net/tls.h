/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - TLS 1.2 and 1.3 of new connections: certificates by name, tickets, client certificates. core/net only.
 *
 * Handshakes cost a thousand times what a frame costs: those that have something to do wait in one line, and each turn
 * of the loop works on it for HANDSHAKE_SLICE_US, so that a storm of them holds up nobody who is connected. An
 * unfinished one holds some 20 KB: their number is bounded. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <openssl/types.h>
#include <stdbool.h>

#include "base/error.h"
#include "net/server.h"

enum { HANDSHAKE_SLICE_US = 2000, HANDSHAKES_MAX = 4096 /* unfinished ones; beyond, new connections are closed */ };

struct buffer;
struct conn;
struct loop_task;
struct tickets;
struct tls;

/* *tls_r: NULL when the settings want none. tickets: outlive it; NULL: without. False: error_r names the file that
 * cannot be used. */
bool tls_new(const struct net_settings *settings, struct tickets *tickets, struct tls **tls_r,
             struct error *error_r) MUST_CHECK;
void tls_free(struct tls **tls);
/* The next step of a handshake, when it is its turn; then http_begin. */
void tls_ready(struct conn *conn);
void tls_shake(struct loop_task *task); /* the server's */
/* Appends the subject of the certificate that the client has shown. False: none. */
bool tls_client_subject(const SSL *ssl, struct buffer *subject_r);

#endif
