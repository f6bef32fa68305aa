/* SPDX-License-Identifier: Apache-2.0 */
/* http_exchange.h - HTTP on one accepted socket, request after request. core/net only. */
#ifndef NET_HTTP_EXCHANGE_H
#define NET_HTTP_EXCHANGE_H

#include "net/net_internal.h"
#include "net/shared_file.h"
#include "wire/chunked.h"
#include "wire/http_head.h"

enum http_state {
    HTTP_HEAD,
    HTTP_OFFERED, /* the owner has the request without its body */
    HTTP_BODY,
    HTTP_ASKED, /* the owner has the request */
    HTTP_ANSWER,
    HTTP_TUNNEL /* another process has the connection; this one relays the bytes both ways */
};

struct http {
    struct conn *conn;
    struct address peer; /* the TCP peer; conn->address is the client behind it */
    bool trusted;        /* peer is a trusted proxy, so conn->address may differ */
    enum http_state state;
    struct loop_task work;
    struct buffer head_bytes, body, out;
    struct http_head head; /* points into head_bytes; {0} while incomplete */
    size_t body_max;       /* bytes */
    struct chunked_reader chunks;
    size_t seen;              /* bytes of an unfinished head already parsed; they stay in conn->unread */
    struct shared_file *file; /* sent after out; NULL: none */
    size_t sent;              /* bytes, of out and file together */
    struct http_exchange *exchange;
    struct tunnel *tunnel;
    char address[ADDRESS_TEXT_MAX]; /* conn->address of the current request */
    bool handed;                    /* the connection was handed over with its request: this process serves it */
    bool idle;                      /* between requests */
    bool last;                      /* the connection ends after this request */
};

struct http_exchange {
    struct http *http; /* NULL: the client has disconnected */
    void (*aborted)(void *owner);
    void (*whole)(void *owner, struct slice body); /* not NULL: the body is being read */
    void *owner;
};

#endif
