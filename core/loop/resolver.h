/* SPDX-License-Identifier: Apache-2.0 */
/* resolver.h - resolves names with libevent's DNS client, /etc/hosts included, without blocking. */
#ifndef LOOP_RESOLVER_H
#define LOOP_RESOLVER_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/memory.h"

struct loop;
struct resolver;
struct resolver_lookup;

enum { RESOLVER_ADDRESSES = 8 }; /* further addresses are dropped */

/* Embedded in its asker; {0} is an idle one. */
struct resolver_question {
    /* May run within resolver_ask (an address that is a number needs no server). len 0: there is no such name, or
     * nobody answers. Each address has the port asked for. */
    void (*done)(struct resolver_question *question, const struct sockaddr_storage *addresses, size_t len);
    struct resolver_lookup *lookup; /* NULL: not under way */
};

/* Reads /etc/resolv.conf at the first name. */
struct resolver *resolver_new(struct loop *loop);
/* Forgets pending lookups; their done is not called. */
void resolver_free(struct resolver **resolver);
void resolver_ask(struct resolver *resolver, struct resolver_question *question, const char *host, uint16_t port);
/* done will not be called. Harmless when nothing is under way. */
void resolver_forget(struct resolver_question *question);
/* Of an address of either family, for connect(). */
socklen_t resolver_address_len(const struct sockaddr_storage *address);

#endif
