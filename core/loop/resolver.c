/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/resolver.h"

#include <event2/dns.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/loop.h"

/* The part that libevent refers to: it outlives a forgotten question. */
struct resolver_lookup {
    struct list link;
    struct resolver_question *question; /* NULL: forgotten */
};

struct resolver {
    struct loop *loop;
    struct evdns_base *dns; /* NULL until the first name */
    struct list lookups;
};

struct resolver *resolver_new(struct loop *loop) {
    struct resolver *resolver = NEW(struct resolver);
    resolver->loop = loop;
    list_init(&resolver->lookups);
    return resolver;
}

static void forget(struct resolver_lookup *lookup) {
    if (lookup->question) lookup->question->lookup = NULL;
    lookup->question = NULL;
}

void resolver_free(struct resolver **owner) {
    struct resolver *resolver = *owner;
    if (!resolver) return;
    LIST_EACH(&resolver->lookups, link) {
        struct resolver_lookup *lookup = CONTAINER(link, struct resolver_lookup, link);
        forget(lookup);
        list_remove(&lookup->link);
        free(lookup);
    }
    if (resolver->dns) evdns_base_free(resolver->dns, 0);
    free(resolver);
    *owner = NULL;
}

socklen_t resolver_address_len(const struct sockaddr_storage *address) {
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* A system without name servers, or without the file, still has /etc/hosts and numbers. */
static struct evdns_base *dns_of(struct resolver *resolver) {
    if (resolver->dns) return resolver->dns;
    resolver->dns = evdns_base_new(loop_base(resolver->loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!resolver->dns) abort();
    evdns_base_resolv_conf_parse(resolver->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
    return resolver->dns;
}

static void looked_up(int result, struct evutil_addrinfo *found, void *owner) {
    struct resolver_lookup *lookup = owner;
    struct sockaddr_storage addresses[RESOLVER_ADDRESSES];
    size_t len = 0;
    for (struct evutil_addrinfo *at = result ? NULL : found; at && len < RESOLVER_ADDRESSES; at = at->ai_next) {
        if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
        memset(&addresses[len], 0, sizeof(addresses[len]));
        memcpy(&addresses[len++], at->ai_addr, at->ai_addrlen);
    }
    if (found) evutil_freeaddrinfo(found);
    struct resolver_question *question = lookup->question;
    list_remove(&lookup->link);
    free(lookup);
    if (!question) return;
    question->lookup = NULL;
    question->done(question, addresses, len);
}

void resolver_ask(struct resolver *resolver, struct resolver_question *question, const char *host, uint16_t port) {
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    struct resolver_lookup *lookup = NEW(struct resolver_lookup);
    char service[8];
    snprintf(service, sizeof(service), "%u", port);
    lookup->question = question;
    question->lookup = lookup;
    list_append(&resolver->lookups, &lookup->link);
    evdns_getaddrinfo(dns_of(resolver), host, service, &hints, looked_up, lookup);
}

void resolver_forget(struct resolver_question *question) {
    if (question->lookup) forget(question->lookup);
}
