/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - TLS 1.2 and 1.3 of new connections: certificates by name, tickets, client certificates. core/net only.
 *
 * A handshake costs a thousand times as much as a frame. Handshakes with work to do wait in one queue, and each loop
 * turn works on it for HANDSHAKE_SLICE_US, so that many handshakes do not delay connected clients. An unfinished one
 * holds some 20 KB, so their number is bounded. */
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

/* *tls_r: NULL if the settings have no TLS. tickets must outlive it; NULL: no tickets. False: error_r names the
 * unusable file. */
bool tls_new(const struct net_settings *settings, struct tickets *tickets, struct tls **tls_r,
             struct error *error_r) MUST_CHECK;
void tls_free(struct tls **tls);
/* Queues the next step of a handshake; calls http_begin after the last one. */
void tls_ready(struct conn *conn);
void tls_shake(struct loop_task *task); /* the server's */
/* Appends the subject of the client's certificate. False: the client sent none. */
bool tls_client_subject(const SSL *ssl, struct buffer *subject_r);

#endif
