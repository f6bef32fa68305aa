/* SPDX-License-Identifier: Apache-2.0 */
/* redis_link.h - one connection to one server, dialled for ever: name, connect, AUTH, and in time noticing that nobody
 * answers. It carries bytes and replies; what belongs to what is its owner's to know.
 */
#ifndef REDIS_REDIS_LINK_H
#define REDIS_REDIS_LINK_H

#include "base/buffer.h"
#include "loop/loop.h"
#include "loop/resolver.h"

struct redis_link;
struct redis_value;
struct resp_reader;

enum {
    LINK_IDLE_MS = 1000,  /* nothing heard for so long: the owner asks something */
    LINK_SILENT_MS = 4000 /* nothing heard for so long: gone, whatever TCP believes */
};

struct redis_link_settings {
    const char *user, *password; /* NULL: none */
    unsigned connect_ms;
    size_t reply_bytes;
    bool primary; /* a server that is not one (ROLE) is hung up on */
};

/* A link is not freed within these; it may be written to and hung up on. */
struct redis_link_events {
    void (*ready)(struct redis_link *link);
    void (*reply)(struct redis_link *link, const struct redis_value *value);
    /* LINK_IDLE_MS without a byte: send what makes the server answer. */
    void (*idle)(struct redis_link *link);
    /* Was it ready? If not, a dial has failed. Dialled again after a delay. */
    void (*closed)(struct redis_link *link, bool was_ready);
};

enum redis_link_state { LINK_OFF, LINK_WAITING, LINK_RESOLVING, LINK_CONNECTING, LINK_GREETING, LINK_READY };

struct redis_dial {
    struct resolver_question question;
    struct sockaddr_storage addresses[RESOLVER_ADDRESSES];
    size_t addresses_len, at;
    uint64_t until_ms;
    unsigned greetings; /* answers still due */
};

/* Embedded in its owner. */
struct redis_link {
    struct loop *loop;
    struct resolver *resolver;
    const struct redis_link_settings *settings;
    const struct redis_link_events *events;
    char *host;
    uint16_t port;
    enum redis_link_state state;
    unsigned failures; /* dials in a row that did not make it to ready */
    struct redis_dial dial;
    int fd;
    struct loop_fd *io;
    struct resp_reader *reader;
    struct buffer out;
    size_t out_at;                     /* what of out has left */
    uint64_t queued_bytes, sent_bytes; /* since it was ready: all that was written, and what the kernel took */
    uint64_t heard_ms;
    bool asked; /* idle was called since */
    struct loop_timer timer;
    struct loop_task flush;
};

/* "host:port" with [brackets] for IPv6; false: it is none. host_r is the caller's. */
bool redis_address_split(struct slice address, char **host_r, uint16_t *port_r) MUST_CHECK;

/* address is sound. settings and events outlive it. */
void redis_link_init(struct redis_link *link, struct loop *loop, struct resolver *resolver, const char *address,
                     const struct redis_link_settings *settings, const struct redis_link_events *events);
void redis_link_done(struct redis_link *link);
/* The first dial, in this turn's end. */
void redis_link_start(struct redis_link *link);
/* READY only. Leaves at the end of the turn. */
void redis_link_write(struct redis_link *link, struct slice bytes);
/* Closed now, dialled again later. The reason is a word for the log. Harmless while there is no connection. */
void redis_link_hang_up(struct redis_link *link, const char *reason);

/* How long to wait before the next attempt (a dial, a look at the servers, a command): doubling, capped, and never two
 * processes alike. Between half and all of first_ms × 2^attempt, at most most_ms. */
unsigned redis_link_backoff_ms(unsigned attempt, unsigned first_ms, unsigned most_ms);

#endif
