/* http_exchange.h - HTTP on one accepted socket, request after request. core/net only. */
#ifndef NET_HTTP_EXCHANGE_H
#define NET_HTTP_EXCHANGE_H

#include "net/net_state.h"
#include "wire/http_head.h"

enum http_state {
    HTTP_HANDSHAKE, /* TLS, by libwebsockets */
    HTTP_HEAD,      /* we wait for a head and look at it before anything reads it */
    HTTP_LWS,       /* libwebsockets reads a head that came in several TLS records: the last request */
    HTTP_BODY,
    HTTP_ASKED, /* the owner has the request */
    HTTP_ANSWER,
    HTTP_TUNNEL, /* another process has the connection; what it and the client say passes through here */
    HTTP_LINGER  /* all is said; what the peer still sends is thrown away, or it would lose our answer */
};

struct http {
    struct conn *conn;
    enum http_state state;
    struct loop_fd *watch;
    struct loop_task work;
    struct buffer head_bytes, body, out;
    struct http_head head; /* in head_bytes */
    size_t seen;           /* bytes of an unfinished head that were looked at */
    size_t sent;           /* of out */
    struct http_exchange *exchange;
    struct tunnel *tunnel;
    bool idle; /* between requests */
    bool last; /* the connection ends with this one */
    bool head_from_lws, body_from_lws;
};

struct http_exchange {
    struct http *http; /* NULL: the client has gone */
    void (*aborted)(void *owner);
    void *owner;
};

/* http_head.c: the head that libwebsockets has parsed, as bytes again, each field once for each time it came. */
void http_head_rebuild(struct lws *wsi, struct buffer *out);

/* http_upgrade.c */
/* What a handshake's form deserves: 0 (correct), 400 or 426; fault_r: the word for it. */
unsigned http_upgrade_fault(const struct http_head *head, const char **fault_r);

/* http_reply.c */
void http_write_reply(struct buffer *out, const struct http_reply *reply, bool head_only, bool close);

/* socket.c: > 0 bytes, 0: would wait, -1: ended or broken. */
ssize_t socket_peek(struct conn *conn, char *to, size_t len);
ssize_t socket_read(struct conn *conn, char *to, size_t len);
ssize_t socket_write(struct conn *conn, const char *from, size_t len);
/* Ends our side; then what arrives is to be thrown away: false when the peer has ended, too. */
void socket_end(struct conn *conn);
bool socket_discard(struct conn *conn);
/* Corked, the kernel holds back what does not fill a packet. */
void socket_cork(struct conn *conn, bool corked);
/* Be told when more than this has arrived (not over TLS). */
void socket_wake_beyond(struct conn *conn, size_t bytes);

#endif
