/* tickets.h - the keys of TLS session tickets: each makes tickets for an hour and reads them for one more, so that what
 * was recorded is not readable for long with a key that is stolen later (RFC 5077, section 5.5). core/net only.
 */
#ifndef NET_TICKETS_H
#define NET_TICKETS_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

enum { TICKET_KEY_S = 3600, TICKET_NAME_LEN = 16 };

struct ticket_key {
    unsigned char name[TICKET_NAME_LEN], cipher_key[32], mac_key[32];
    uint64_t made_s; /* 0: none */
};

/* {0}: no keys yet. */
struct tickets {
    struct ticket_key current, former;
};

/* The key of new tickets; now_s: seconds of a clock that never goes back, at least 1. */
const struct ticket_key *tickets_current(struct tickets *tickets, uint64_t now_s);
/* The key of that name, or NULL: it is too old, or never was. */
const struct ticket_key *tickets_find(struct tickets *tickets, const unsigned char *name, uint64_t now_s);

/* The context makes and reads tickets with keys of its own from now on, which end with it. */
bool tickets_attach(SSL_CTX *context) MUST_CHECK;

#endif
