/* SPDX-License-Identifier: Apache-2.0 */
/* tickets.h - the keys of TLS session tickets: each makes tickets for an hour and reads them for one more. So a key
 * that is stolen later decrypts little recorded traffic (RFC 5077, section 5.5). The master makes the first keys;
 * core/net of the workers uses them.
 *
 * Each hour a one-way function derives the next key: processes that start with the same key always have the same keys,
 * and no process can compute past keys.
 */
#ifndef NET_TICKETS_H
#define NET_TICKETS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

enum { TICKET_KEY_S = 3600, TICKET_NAME_LEN = 16, TICKET_CHAIN_LEN = 32 };

struct ticket_key {
    unsigned char name[TICKET_NAME_LEN], cipher_key[32], mac_key[32];
    uint64_t made_s; /* 0: none */
};

/* {0}: no keys yet. A copy continues on its own, with the same keys. */
struct tickets {
    unsigned char chain[TICKET_CHAIN_LEN]; /* the next key is derived from it */
    struct ticket_key current, former;
};

/* The key for new tickets. now_s: seconds of a monotonic clock, at least 1. */
const struct ticket_key *tickets_current(struct tickets *tickets, uint64_t now_s);
/* The key of that name; NULL: too old, or unknown. */
const struct ticket_key *tickets_find(struct tickets *tickets, const unsigned char *name, uint64_t now_s);
/* The current keys, for a process that is about to be forked. */
void tickets_advance(struct tickets *tickets);
/* Wiped. */
void tickets_done(struct tickets *tickets);

/* Makes the context use these keys for tickets; they must outlive it. */
void tickets_attach(struct tickets *tickets, SSL_CTX *context);

#endif
