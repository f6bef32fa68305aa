/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - HTTP requests and upgrades as the layers above see them.
 *
 * The server (net/server.h) parses requests and enforces their limits and timeouts; the owner answers each exchange
 * once, now or later.
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
/* A header's value (name in lower case without colon, e.g. "authorization"), or empty. Valid until the owner's callback
 * returns. Known: host, origin, authorization, content-type, cookie, user-agent, accept, referer, traceparent,
 * if-none-match, access-control-request-method, access-control-request-headers, x-forwarded-for. */
struct slice http_header(const struct http_request *request, const char *name);
/* Appends the subject of the client's certificate in the form of RFC 2253, in UTF-8. False: no certificate was
 * requested or sent (settings: tls_client_ca), or another process terminates the client's TLS. */
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
/* Call exactly once for each exchange; the exchange is invalid afterwards. HEAD gets no body. */
void http_reply(struct http_exchange **exchange, const struct http_reply *reply);
/* Call before answering a refused request, or within the owner's upgrade callback. Counts the refusal in
 * stoa_rejected_total{reason} and logs it at a bounded rate. reason: a constant. */
void http_reject(const struct http_exchange *exchange, const char *reason);
/* Asks for a callback when the client disconnects before the answer; aborted is the exchange's last call. */
void http_wait(struct http_exchange *exchange, void (*aborted)(void *owner), void *owner);

/* In a WebSocket handshake: the first subprotocol offered by the client that is in the list; empty: none. Valid until
 * the owner's callback returns. */
struct slice http_choose_protocol(const struct http_request *request, const char *const *protocols, size_t len);

/* For a request that the owner took in http_events.head, after http_wait: starts reading the body. whole is called when
 * the body is complete, never within this call; the exchange stays the owner's until answered. */
void http_read_body(struct http_exchange *exchange, void (*whole)(void *owner, struct slice body));

struct http_upgrade {
    const struct conn_events *events; /* accepted: who gets the messages */
    void *owner;
    struct slice protocol;     /* the subprotocol, as http_choose_protocol has it; empty: none */
    bool deflate;              /* compression, if the client offers it; preset to the server's setting */
    struct http_reply refusal; /* status 0: accepted; else refused, and counted with http_reject */
};

struct http_events {
    /* Limit for the body of a request to path, in bytes (0: no body allowed); beyond: 413. */
    size_t (*body_max)(void *owner, struct slice method, struct slice path);
    /* Which process serves the request? Returns the inbox of another process (the other end of its
     * net_server_open_inbox): the connection goes there with the request unread. -1: this process. Asked for each
     * request that was not handed over by another process. May be NULL. */
    int (*elsewhere)(void *owner, struct slice path, struct slice query);
    /* Is host one of the server's names (the Host header as sent; empty: none)? If not: 421. Asked for each request.
     * May be NULL. */
    bool (*serves)(void *owner, struct slice host);
    /* A request whose body is not read yet. True: the owner took the exchange and either answers at once (the
     * connection then ends) or reads the body (http_read_body). False: the server reads the body; request follows. May
     * be NULL. */
    bool (*head)(void *owner, struct http_request *request);
    /* The server itself refuses a request; its head may be malformed from some line on. Appends the headers ("name:
     * value\r\n") that let a web page read the answer (CORS). May be NULL. */
    void (*refused)(void *owner, struct http_request *request, struct buffer *fields);
    /* A complete request. */
    void (*request)(void *owner, struct http_request *request);
    /* A WebSocket handshake, before the 101: accept or refuse. */
    void (*upgrade)(void *owner, struct http_request *request, struct http_upgrade *upgrade_r);
    /* Called next after an accepted upgrade, with the connection; upgrade_owner is http_upgrade.owner. */
    void (*opened)(void *upgrade_owner, struct conn *conn);
};

#endif
