/* net_state.h - what the files of core/net share: the server, its virtual hosts, one accepted socket. */
#ifndef NET_NET_STATE_H
#define NET_NET_STATE_H

#include <libwebsockets.h>

#include "base/buffer.h"
#include "base/list.h"
#include "limit/budget.h"
#include "loop/loop.h"
#include "net/inbound.h"
#include "net/server.h"

enum { ADDRESS_MAX = 46, PROTOCOL_COUNT = 1 };

/* What a client negotiates with is fixed when it is accepted: a reload makes a new host, the old one ends with its last
 * connection. */
struct net_host {
    struct list link; /* in server->hosts */
    struct net_server *server;
    struct lws_vhost *vhost;
    size_t max_message_bytes;
    unsigned header_timeout_ms, body_timeout_ms;
    bool tls, proxy_protocol;
    bool retired, ending; /* for no new connection; told to end, host_over follows */
    unsigned conns;
    struct lws_protocols protocols[PROTOCOL_COUNT + 1];
    char name[24];
};

struct net_server {
    struct loop *loop;
    struct net_events events;
    void *owner;
    struct lws_context *context;
    struct net_host *host; /* of new connections */
    struct list hosts, listeners;
    struct inbox *inbox;    /* NULL: nobody hands connections over */
    struct list conns;      /* by conn.link */
    struct budget *inbound; /* of unfinished messages and bodies */
    struct list proxied;    /* those that have not said whom they speak for */
    unsigned proxied_len, conns_len, hosts_made;
    struct loop_task sweep; /* frees retired hosts */
};

/* A socket from its acceptance to its end: HTTP first, a WebSocket after the upgrade. lws holds it as its opaque user
 * data; wsi is NULL when lws does not know it: before the handshake (of TLS, else of the WebSocket), and at the end. */
struct conn {
    /* What a write touches, close together. */
    struct lws *wsi;
    uint16_t close_code;  /* of ours, asked for; 0: none */
    uint16_t closed_code; /* to tell the owner */
    bool upgraded, accepted, blocked, closing, deflates, paused, reading_rests, write_wanted;
    int fd; /* -1: closed */
    struct net_host *host;
    struct list link;
    struct loop_timer deadline; /* head, body, answer, close: one at a time */
    struct loop_task task;      /* a WebSocket's closing, or news that it has drained; at last, freeing it */
    struct held *held;          /* NULL: no unfinished body or message */
    struct http *http;          /* until the upgrade; what follows is a WebSocket's */
    const struct conn_events *events;
    void *owner;
    struct inbound inbound;
    char *close_reason;      /* NULL: none */
    uint32_t pongs_since_ms; /* pings answered since then; the lower bits */
    uint8_t pongs;
    bool tls, tunneled, handed; /* fd carries TLS; leads to a process that speaks TLS; came with a request for us */
    char address[];             /* the peer's, from the PROXY header where trusted */
};

/* Where lws's callbacks go: websocket.c and http.c each take their own. Non-zero closes (or refuses). */
int websocket_callback(struct conn *conn, enum lws_callback_reasons reason, void *in, size_t len);
int http_callback(struct conn *conn, enum lws_callback_reasons reason, void *in, size_t len);
bool websocket_wants(enum lws_callback_reasons reason);
extern const struct lws_extension websocket_extensions[];

/* Takes the descriptor, which admission has let in. */
void conn_accept(struct net_server *server, int fd, const char *address);
/* Lws reads next. The connection may be gone afterwards. */
void conn_hand_over(struct conn *conn);
/* At once, from outside lws's callbacks. */
void conn_kill(struct conn *conn);
/* lws has let go of it: tells the owners, frees at the end of the turn. */
void conn_gone(struct conn *conn);
void websocket_init(struct conn *conn);
void websocket_gone(struct conn *conn);
void websocket_cut(struct conn *conn);
void http_begin(struct conn *conn);
void http_rest(struct conn *conn); /* it is about to end: nothing more is read */
void http_deadline(struct conn *conn);
void http_gone(struct conn *conn);
void http_cut(struct conn *conn); /* the body it reads is given up */
/* What its unfinished body or message will hold, as far as that is known; 0: it is complete. */
void conn_hold(struct conn *conn, size_t bytes);

/* One counter, one log line of bounded rate. */
void net_reject(const struct conn *conn, const char *reason);

#endif
