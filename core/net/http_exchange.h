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
    HTTP_OFFERED, /* the owner has the request, but for its body */
    HTTP_BODY,
    HTTP_ASKED, /* the owner has the request */
    HTTP_ANSWER,
    HTTP_TUNNEL /* another process has the connection; what it and the client say passes through here */
};

struct http {
    struct conn *conn;
    struct address peer; /* conn->address is the one that it speaks for */
    bool trusted;        /* so it may be another one */
    enum http_state state;
    struct loop_task work;
    struct buffer head_bytes, body, out;
    struct http_head head; /* in head_bytes; {0} while it is not whole */
    size_t body_max;       /* bytes */
    struct chunked_reader chunks;
    size_t seen;              /* bytes of an unfinished head that were looked at; they wait in conn->unread */
    struct shared_file *file; /* that follows out; NULL: none */
    size_t sent;              /* of both */
    struct http_exchange *exchange;
    struct tunnel *tunnel;
    char address[ADDRESS_TEXT_MAX]; /* conn->address, of the request at hand */
    bool handed;                    /* its request came from another process with it: it is ours */
    bool idle;                      /* between requests */
    bool last;                      /* the connection ends with this one */
};

struct http_exchange {
    struct http *http; /* NULL: the client has gone */
    void (*aborted)(void *owner);
    void (*whole)(void *owner, struct slice body); /* unless NULL, its body is being read */
    void *owner;
};

#endif
