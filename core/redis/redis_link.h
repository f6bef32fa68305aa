/* SPDX-License-Identifier: Apache-2.0 */
/* redis_link.h - one connection to one server, redialled for ever: name look-up, connect, AUTH, and detection of a
 * silent server. It carries bytes and replies; the owner matches replies to commands.
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
    LINK_IDLE_MS = 1000,  /* nothing received for so long: the owner must send something */
    LINK_SILENT_MS = 4000 /* nothing received for so long: the connection is closed, even if TCP considers it alive */
};

struct redis_link_settings {
    const char *user, *password; /* NULL: none */
    unsigned connect_ms;
    size_t reply_bytes;
    bool primary; /* hang up if the server is not a primary (ROLE) */
};

/* Callbacks may write to the link and hang it up, but must not free it. */
struct redis_link_events {
    void (*ready)(struct redis_link *link);
    void (*reply)(struct redis_link *link, const struct redis_value *value);
    /* Nothing received for LINK_IDLE_MS: send a command that the server answers. */
    void (*idle)(struct redis_link *link);
    /* was_ready false: a dial failed. The link redials after a delay. */
    void (*closed)(struct redis_link *link, bool was_ready);
};

enum redis_link_state { LINK_OFF, LINK_WAITING, LINK_RESOLVING, LINK_CONNECTING, LINK_GREETING, LINK_READY };

struct redis_dial {
    struct resolver_question question;
    struct sockaddr_storage addresses[RESOLVER_ADDRESSES];
    size_t addresses_len, at;
    uint64_t until_ms;
    unsigned greetings; /* answers still expected */
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
    unsigned failures; /* consecutive dials that did not reach READY */
    struct redis_dial dial;
    int fd;
    struct loop_fd *io;
    struct resp_reader *reader;
    struct buffer out;
    size_t out_at;                     /* the part of out already sent */
    uint64_t queued_bytes, sent_bytes; /* since READY: all bytes written, and those the kernel took */
    uint64_t heard_ms;
    bool asked; /* idle was called since the last byte */
    struct loop_timer timer;
    struct loop_task flush;
};

/* Parses "host:port", IPv6 hosts in [brackets]. False: malformed. The caller owns host_r. */
bool redis_address_split(struct slice address, char **host_r, uint16_t *port_r) MUST_CHECK;

/* address must be valid. settings and events must outlive the link. */
void redis_link_init(struct redis_link *link, struct loop *loop, struct resolver *resolver, const char *address,
                     const struct redis_link_settings *settings, const struct redis_link_events *events);
void redis_link_done(struct redis_link *link);
/* Dials for the first time, at the end of this turn. */
void redis_link_start(struct redis_link *link);
/* READY only. Sent at the end of the turn. */
void redis_link_write(struct redis_link *link, struct slice bytes);
/* Closes now and redials later. reason: a word for the log. Harmless without a connection. */
void redis_link_hang_up(struct redis_link *link, const char *reason);

/* The delay before the next attempt (a dial, a look at the servers, a command): doubles up to a cap, with jitter.
 * Between half and all of first_ms × 2^attempt, at most most_ms. */
unsigned redis_link_backoff_ms(unsigned attempt, unsigned first_ms, unsigned most_ms);

#endif
