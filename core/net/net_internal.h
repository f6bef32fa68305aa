/* SPDX-License-Identifier: Apache-2.0 */
/* net_internal.h - what the files of core/net share: the server, settings of new connections, one accepted socket. */
#ifndef NET_NET_INTERNAL_H
#define NET_NET_INTERNAL_H

#include <openssl/types.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/buffer.h"
#include "base/list.h"
#include "limit/admission.h"
#include "limit/memory_budget.h"
#include "loop/loop.h"
#include "net/inbound.h"
#include "net/server.h"
#include "net/tickets.h"
#include "wire/websocket_reader.h"

enum { READ_BYTES = 65536 };

struct handover;

/* What a client negotiates with is fixed when it is accepted: a reload makes a new host, the old one ends with its last
 * connection. */
struct net_host {
    struct list link; /* in server->hosts */
    struct net_server *server;
    struct tls *tls; /* NULL: none */
    size_t max_message_bytes, head_bytes;
    unsigned header_timeout_ms, body_timeout_ms, keepalive_ms, hsts_s;
    struct networks trusted;               /* proxies, which may say whom they speak for */
    bool proxy_protocol, deflate, retired; /* retired: for no new connection */
    unsigned conns;
};

struct net_server {
    struct loop *loop;
    struct net_events events;
    void *owner;
    struct net_host *host; /* of new connections */
    struct list hosts, listeners;
    struct handover_inbox *inbox;             /* NULL: nobody hands connections over */
    struct list conns;                        /* by conn.link */
    struct memory_budget *inbound, *outbound; /* of what is not whole yet; of what is not taken yet */
    struct list proxied;                      /* those that have not said whom they speak for */
    unsigned proxied_len, conns_len;
    struct loop_task sweep; /* frees retired hosts */
    struct tickets tickets;
    unsigned shaking;                /* connections whose handshake of TLS is not over */
    struct list handshakes;          /* of TLS that have something to do, by conn.task */
    struct loop_task shake;          /* does some of it */
    struct inbound_shared inflating; /* for messages that come in one piece */
    char read_bytes[READ_BYTES];     /* what a connection reads into; it keeps what it cannot use yet */
};

/* HTTP until the upgrade; then OPEN: messages and frames; CLOSING: our Close frame is sent and the peer's awaited;
 * ENDED: all is said, TCP is being closed and what still comes is thrown away; GONE: the descriptor is closed. */
enum conn_state { CONN_HTTP, CONN_OPEN, CONN_CLOSING, CONN_ENDED, CONN_GONE };

/* What only a connection has that is not at rest: idle ones, which are most, do without. */
struct unfinished {
    struct buffer unsent;          /* written, and not taken by the kernel */
    struct buffer unread;          /* received, and not used yet */
    struct loop_timer deadline;    /* head, body, answer, close: one at a time */
    struct holder holder, sending; /* what is charged for what was received, and for what was not taken */
    struct conn *conn;
    struct buffer close, pong; /* what our Close frame says; the last ping that could not be answered yet */
    bool has_pong;
};

struct conn_closing {
    uint16_t code;     /* to tell the owner */
    bool wanted : 1;   /* by us or the peer: our Close frame is sent as soon as it can be */
    bool received : 1; /* the peer's has come, or is not waited for */
    bool broken : 1;
};

/* Whose the messages are. */
struct conn_owner {
    const struct conn_events *events;
    void *of;
};

/* Messages on their way in. */
struct conn_messages {
    struct websocket_reader reader;
    struct inbound inbound;
};

/* A socket from its acceptance to its end: HTTP first, a WebSocket after the upgrade. */
struct conn {
    /* What a write touches, close together. */
    int fd;
    uint8_t state;                                          /* enum conn_state */
    bool blocked : 1;                                       /* unsent waits for the kernel */
    bool corked : 1;                                        /* unsent waits for what the owner says at once */
    bool deflates : 1, paused : 1, drained : 1, yields : 1; /* yields: until the next turn */
    bool tls : 1, tunneled : 1;                             /* fd carries TLS; leads to a process that speaks it */
    uint16_t pings;                                         /* answered since pings_since_ms (its lower bits) */
    uint32_t pings_since_ms;
    struct conn_closing closing;
    SSL *ssl; /* NULL: plain, or before the first byte of a handshake */
    struct net_host *host;
    struct list link;
    struct loop_fd *watch;
    struct loop_task task; /* what a call from above must not do itself; at last, freeing it */
    struct http *http;     /* until the upgrade; what follows is a WebSocket's */
    struct conn_owner owner;
    struct unfinished *unfinished; /* NULL: nothing is */
    struct conn_messages in;
    struct seat seat;
    struct address address; /* the peer's, or that of whom a trusted proxy speaks for */
};

/* server.c: the peer, or NULL: it is a trusted proxy, which says with each request whom it speaks for. */
const struct address *net_named(const struct net_server *server, const struct address *peer);

/* conn.c */
/* Takes the descriptor, which admission has let in, and the seat. */
void conn_accept(struct net_server *server, int fd, const struct address *address, struct seat *seat);
/* The same with a descriptor that another process has handed over. */
void conn_take(struct net_server *server, int fd, const struct handover *handover, struct seat *seat,
               struct slice unread);
/* Counts it, logs it, and closes the descriptor, if there is one. */
void conn_refuse(int fd, const struct address *address, const char *reason);
/* Its seat is the address's from now on (NULL: nobody's). False: it may not be, for so long. */
bool conn_move(struct conn *conn, const struct address *address, unsigned *retry_after_s_r);
/* Nobody uses it: it gives its seat to a newcomer when all are taken, until admission_use. */
void conn_rest(struct conn *conn);
/* Made when there is none. */
struct unfinished *conn_unfinished(struct conn *conn);
/* Frees it when nothing is unfinished any more. */
void conn_settle(struct conn *conn);
/* One at a time: a new one takes the place of the last. */
void conn_set_deadline(struct conn *conn, uint64_t delay_ms);
void conn_cancel_deadline(struct conn *conn);
/* Received, and not used yet. */
static inline struct slice conn_unread(const struct conn *conn) {
    return conn->unfinished ? buffer_slice(&conn->unfinished->unread) : SLICE_NONE;
}
/* What is to be used next: of what was received, or read now. 0: nothing is there; -1: the peer has ended or is away.
 * more: what was received is not enough. The bytes may be changed in place, and live until conn_used. */
ssize_t conn_input(struct conn *conn, bool more, char **bytes_r) MUST_CHECK;
/* So many of those bytes were used; the others stay. */
void conn_used(struct conn *conn, char *bytes, size_t len, size_t used);
/* What it holds of what it has sent, and of what it does not take, is charged anew. May cut it off. */
void conn_charge(struct conn *conn);
void conn_charge_unsent(struct conn *conn);
void conn_break(struct conn *conn); /* it cannot be written to: conn_kill, from the loop */
/* At once; not within a call from above. */
void conn_kill(struct conn *conn);
/* All is said: TCP ends, ours first. */
void conn_end(struct conn *conn);

/* websocket.c */
/* From HTTP: the answer to the handshake, which leaves with what the owner says at once. */
void websocket_begin(struct conn *conn, bool may_compress, struct slice answer);
void websocket_ready(struct conn *conn, int what);
void websocket_gone(struct conn *conn);
void websocket_displaced(struct conn *conn); /* it gives way */
void websocket_cut(struct conn *conn);
void websocket_run(struct conn *conn);

/* http.c */
void http_begin(struct conn *conn, bool handed); /* handed: came with a request */
void http_ready(struct conn *conn, int what);
void http_deadline(struct conn *conn);
void http_gone(struct conn *conn);
void http_cut(struct conn *conn); /* the body it reads is given up */
bool http_awaits_head(const struct http *http);
size_t http_held(const struct http *http), http_unsent(const struct http *http); /* of a body; of an answer */

/* One counter, one log line of bounded rate. */
void net_reject(const struct conn *conn, const char *reason);

#endif
