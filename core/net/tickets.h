/* SPDX-License-Identifier: Apache-2.0 */
/* tickets.h - the keys of TLS session tickets: each makes tickets for an hour and reads them for one more, so that what
 * was recorded is not readable for long with a key that is stolen later (RFC 5077, section 5.5). The master makes the
 * first ones, the workers' core/net uses them.
 *
 * The keys follow from one another one way only, hour by hour: processes that begin with the same first one have the
 * same ever after, and none of them can tell the keys of the past.
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

/* {0}: no keys yet. A copy goes on by itself, with the same keys. */
struct tickets {
    unsigned char chain[TICKET_CHAIN_LEN]; /* what the key after the current one is made of */
    struct ticket_key current, former;
};

/* The key of new tickets; now_s: seconds of a clock that never goes back, at least 1. */
const struct ticket_key *tickets_current(struct tickets *tickets, uint64_t now_s);
/* The key of that name, or NULL: it is too old, or never was. */
const struct ticket_key *tickets_find(struct tickets *tickets, const unsigned char *name, uint64_t now_s);
/* Those of this moment, for a process that is about to be forked. */
void tickets_advance(struct tickets *tickets);
/* Wiped. */
void tickets_done(struct tickets *tickets);

/* The context makes and reads tickets with these keys from now on; they outlive it. */
void tickets_attach(struct tickets *tickets, SSL_CTX *context);

#endif
