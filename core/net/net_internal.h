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

/* The settings of a connection are fixed when it is accepted: a reload makes a new host, and the old one is freed with
 * its last connection. */
struct net_host {
    struct list link; /* in server->hosts */
    struct net_server *server;
    struct tls *tls; /* NULL: none */
    size_t max_message_bytes, head_bytes;
    unsigned header_timeout_ms, body_timeout_ms, keepalive_ms, hsts_s;
    struct networks trusted;               /* proxies whose forwarding headers are believed */
    bool proxy_protocol, deflate, retired; /* retired: not for new connections */
    unsigned conns;
};

struct net_server {
    struct loop *loop;
    struct net_events events;
    void *owner;
    struct net_host *host; /* of new connections */
    struct list hosts, listeners;
    struct handover_inbox *inbox;             /* NULL: no other process hands connections over */
    struct list conns;                        /* by conn.link */
    struct memory_budget *inbound, *outbound; /* for incomplete messages; for bytes not sent yet */
    struct list proxied;                      /* connections whose PROXY header is not complete */
    unsigned proxied_len, conns_len;
    struct loop_task sweep; /* frees retired hosts */
    struct tickets tickets;
    unsigned shaking;                /* connections with an unfinished TLS handshake */
    struct list handshakes;          /* TLS handshakes with work to do, by conn.task */
    struct loop_task shake;          /* runs some of these */
    struct inbound_shared inflating; /* for messages that arrive in one piece */
    char read_bytes[READ_BYTES];     /* read buffer of all connections; a connection copies what it cannot use yet */
};

/* HTTP until the upgrade; then OPEN: messages and frames. CLOSING: our Close frame is sent, the peer's is awaited.
 * ENDED: TCP is being closed, and input is discarded. GONE: the descriptor is closed. */
enum conn_state { CONN_HTTP, CONN_OPEN, CONN_CLOSING, CONN_ENDED, CONN_GONE };

/* State that only a busy connection needs. Most connections are idle and do without. */
struct unfinished {
    struct buffer unsent;          /* written, but not accepted by the kernel */
    struct buffer unread;          /* received, but not used yet */
    struct loop_timer deadline;    /* head, body, answer, close: one at a time */
    struct holder holder, sending; /* budget shares: for received bytes, and for unsent bytes */
    struct conn *conn;
    struct buffer close, pong; /* payload of our Close frame; of the last ping that could not be answered yet */
    bool has_pong;
};

struct conn_closing {
    uint16_t code;     /* to report to the owner */
    bool wanted : 1;   /* by us or the peer: our Close frame is sent as soon as possible */
    bool received : 1; /* the peer's Close frame has arrived, or is not awaited */
    bool broken : 1;
};

/* Who gets the messages. */
struct conn_owner {
    const struct conn_events *events;
    void *of;
};

/* Inbound messages. */
struct conn_messages {
    struct websocket_reader reader;
    struct inbound inbound;
};

/* An accepted socket: HTTP first, a WebSocket after the upgrade. */
struct conn {
    /* Fields that a write touches are close together. */
    int fd;
    uint8_t state;    /* enum conn_state */
    bool blocked : 1; /* unsent waits for the kernel */
    bool corked : 1;  /* unsent waits for what the owner writes in the same call */
    bool deflates : 1, paused : 1, drained : 1, yields : 1; /* yields: until the next turn */
    bool tls : 1, tunneled : 1;                             /* fd carries TLS; leads to a process that terminates TLS */
    uint16_t pings;                                         /* answered since pings_since_ms (its lower bits) */
    uint32_t pings_since_ms;
    struct conn_closing closing;
    SSL *ssl; /* NULL: plain, or before the first byte of a handshake */
    struct net_host *host;
    struct list link;
    struct loop_fd *watch;
    struct loop_task task; /* work that a caller's stack must not do itself; finally, freeing the connection */
    struct http *http;     /* until the upgrade; the fields below are for the WebSocket */
    struct conn_owner owner;
    struct unfinished *unfinished; /* NULL: nothing is unfinished */
    struct conn_messages in;
    struct seat seat;
    struct address address; /* the peer's, or the client's behind a trusted proxy */
};

/* server.c: the peer; NULL: the peer is a trusted proxy, which names the client in each request. */
const struct address *net_named(const struct net_server *server, const struct address *peer);

/* conn.c */
/* Takes ownership of the descriptor, which admission accepted, and of the seat. */
void conn_accept(struct net_server *server, int fd, const struct address *address, struct seat *seat);
/* The same with a descriptor that another process has handed over. */
void conn_take(struct net_server *server, int fd, const struct handover *handover, struct seat *seat,
               struct slice unread);
/* Counts the refusal, logs it, and closes the descriptor if there is one. */
void conn_refuse(int fd, const struct address *address, const char *reason);
/* Moves its seat to this address (NULL: to no address). False: refused; the out-parameter says when to retry. */
bool conn_move(struct conn *conn, const struct address *address, unsigned *retry_after_s_r);
/* The connection is unused: until admission_use, it loses its seat to a new one when all seats are taken. */
void conn_rest(struct conn *conn);
/* Creates it when there is none. */
struct unfinished *conn_unfinished(struct conn *conn);
/* Frees conn->unfinished when it is empty. */
void conn_settle(struct conn *conn);
/* One at a time: a new deadline replaces the old one. */
void conn_set_deadline(struct conn *conn, uint64_t delay_ms);
void conn_cancel_deadline(struct conn *conn);
/* Received, but not used yet. */
static inline struct slice conn_unread(const struct conn *conn) {
    return conn->unfinished ? buffer_slice(&conn->unfinished->unread) : SLICE_NONE;
}
/* The next input bytes: kept ones, or read now. 0: none; -1: the peer has closed or the connection is broken. more: the
 * kept bytes are not enough. The bytes may be changed in place; they are valid until conn_used. */
ssize_t conn_input(struct conn *conn, bool more, char **bytes_r) MUST_CHECK;
/* That many of these bytes were used; the others are kept. */
void conn_used(struct conn *conn, char *bytes, size_t len, size_t used);
/* Updates the budgets with the bytes that the connection holds, received and unsent. May break the connection. */
void conn_charge(struct conn *conn);
void conn_charge_unsent(struct conn *conn);
void conn_break(struct conn *conn); /* a write failed: conn_kill, called from the loop */
/* Closes at once; not within a call from the layer above. */
void conn_kill(struct conn *conn);
/* Ends TCP, our side first. */
void conn_end(struct conn *conn);

/* websocket.c */
/* Continues after HTTP: out holds the answer to the handshake, sent together with what the owner writes at once. */
void websocket_begin(struct conn *conn, bool may_compress, struct slice answer);
void websocket_ready(struct conn *conn, int what);
void websocket_gone(struct conn *conn);
void websocket_displaced(struct conn *conn); /* lost its seat to a new one */
void websocket_cut(struct conn *conn);
void websocket_run(struct conn *conn);

/* http.c */
void http_begin(struct conn *conn, bool handed); /* handed: another process handed it over with a request */
void http_ready(struct conn *conn, int what);
void http_deadline(struct conn *conn);
void http_gone(struct conn *conn);
void http_cut(struct conn *conn); /* gives up the body being read */
bool http_awaits_head(const struct http *http);
size_t http_held(const struct http *http), http_unsent(const struct http *http); /* bytes of a body; of an answer */

/* Increments one counter and logs one line at a bounded rate. */
void net_reject(const struct conn *conn, const char *reason);

#endif
