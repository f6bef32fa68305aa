/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - HTTP requests and upgrades as the layers above see them.
 *
 * The server (net/server.h) parses, bounds and times them; the owner answers each exchange once, now or later.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/slice.h"

struct buffer;
struct conn;
struct conn_events;
struct http_exchange;
struct shared_file;

struct http_request {
    struct slice method, path, query; /* path as sent, undecoded */
    struct slice body;                /* complete; empty for an upgrade */
    const char *address;              /* the peer */
    bool tls, upgrade;                /* upgrade: a WebSocket handshake whose form is correct */
    struct http_exchange *exchange;
};
/* A header's value (lower-case name without colon, e.g. "authorization"), or empty. Valid until the owner's call
 * returns. Known: host, origin, authorization, content-type, cookie, user-agent, accept, referer, traceparent,
 * if-none-match, access-control-request-method, access-control-request-headers, x-forwarded-for. */
struct slice http_header(const struct http_request *request, const char *name);
/* Appends the subject of the certificate that the client has shown, as RFC 2253 writes it, in UTF-8. False: none was
 * asked for or shown (settings: tls_client_ca), or another process speaks TLS with the client. */
bool http_client_certificate(const struct http_request *request, struct buffer *subject_r);
/* Appends all known headers that are present as a JSON object. */
void http_write_headers_json(const struct http_request *request, struct buffer *out);

struct http_reply {
    unsigned status;
    const char *content_type;   /* NULL: none */
    struct slice extra_headers; /* "name: value\r\n…", checked by the caller */
    struct slice body;
    struct shared_file *file; /* instead of body, unless NULL: read while it is sent; the answer takes a reference */
    bool close;               /* close the connection afterwards */
};
/* Exactly once for each exchange; the exchange is gone afterwards. HEAD gets no body. */
void http_reply(struct http_exchange **exchange, const struct http_reply *reply);
/* Before the answer to a request that is refused, or within the owner's upgrade: counts it in
 * stoa_rejected_total{reason} and logs it, at a bounded rate. reason: a constant. */
void http_reject(const struct http_exchange *exchange, const char *reason);
/* The owner wants to hear when the client goes away before the answer; aborted is the exchange's last call. */
void http_wait(struct http_exchange *exchange, void (*aborted)(void *owner), void *owner);

/* Of a WebSocket handshake: the first subprotocol that the client offers and that is one of these; empty: none. Lives
 * until the owner's call returns. */
struct slice http_choose_protocol(const struct http_request *request, const char *const *protocols, size_t len);

/* Of a request that the owner has taken by its head (http_events.head), after http_wait: the body may come. whole is
 * called when it has, never within this call; the exchange stays the owner's until he answers. */
void http_read_body(struct http_exchange *exchange, void (*whole)(void *owner, struct slice body));

struct http_upgrade {
    const struct conn_events *events; /* accepted: who gets the messages */
    void *owner;
    struct slice protocol;     /* the subprotocol, as http_choose_protocol has it; empty: none */
    bool deflate;              /* compression, if the client offers it; as the server has it unless changed */
    struct http_reply refusal; /* refused, and counted with http_reject: status 0 is "accepted" */
};

struct http_events {
    /* The most bytes that a request to path may send as a body (0: none allowed); beyond: 413. */
    size_t (*body_max)(void *owner, struct slice method, struct slice path);
    /* Another process's request: where that one takes connections in (the other end of a net_server_open_inbox), and
     * the connection goes there with the request unread. -1: it is ours. Asked for each request that was not handed
     * over by another process. May be NULL. */
    int (*elsewhere)(void *owner, struct slice path, struct slice query);
    /* Is the server called by that name (Host, as it was sent; empty: none)? Else 421. Asked for each request. May be
     * NULL. */
    bool (*serves)(void *owner, struct slice host);
    /* A request whose body is still to be read. True: the owner has taken the exchange, and answers (the connection
     * ends then) or reads the body; false: it is read, and request follows. May be NULL. */
    bool (*head)(void *owner, struct http_request *request);
    /* The server itself refuses a request, whose head may be broken from some line on: appends the fields ("name:
     * value\r\n") that a page needs to read the answer. May be NULL. */
    void (*refused)(void *owner, struct http_request *request, struct buffer *fields);
    /* A complete request. */
    void (*request)(void *owner, struct http_request *request);
    /* A WebSocket handshake, before the 101: accept or refuse. */
    void (*upgrade)(void *owner, struct http_request *request, struct http_upgrade *upgrade_r);
    /* Next after an accepted upgrade: the connection; owner is the one of the http_upgrade. */
    void (*opened)(void *upgrade_owner, struct conn *conn);
};

#endif
