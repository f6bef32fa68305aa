/* http_exchange.h - a request from its head to the last byte of its answer. core/net only. */
#ifndef NET_HTTP_EXCHANGE_H
#define NET_HTTP_EXCHANGE_H

#include "net/net_state.h"

struct http_exchange {
    struct conn *conn;
    struct buffer path, query, headers; /* headers: "name\0value\0" pairs */
    struct slice method;
    struct buffer body;
    size_t body_max;
    struct buffer out; /* the answer */
    size_t sent;
    struct loop_fd *hangup; /* while the owner thinks */
    void (*aborted)(void *owner);
    void *owner;
    enum { EXCHANGE_BODY, EXCHANGE_ASKED, EXCHANGE_ANSWERED } state;
    bool close, in_callback;
};

/* http_head.c: the request line and headers of what lws has parsed. */
struct slice http_head_method(struct lws *wsi, int *uri_token_r);
void http_head_read(struct http_exchange *exchange);
/* The reason to refuse a request's form with a 400 (or close), or NULL. */
const char *http_head_fault(struct lws *wsi);
/* What a WebSocket handshake's form deserves: 0 (correct), 400, or 426. */
unsigned http_head_upgrade_fault(struct lws *wsi);
int64_t http_head_content_length(struct lws *wsi);
struct slice http_head_find(const struct buffer *headers, const char *name);

/* http_reply.c */
void http_write_reply(struct buffer *out, const struct http_reply *reply, bool head_only, bool close);

#endif
