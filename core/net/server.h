/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - the sockets of a worker: listener, admission, TLS, HTTP and WebSocket. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "base/error.h"
#include "net/http.h"

struct address;
struct memory_budget;
struct loop;
struct net_host;
struct seat;
struct net_server;
struct tickets;

struct net_settings {
    size_t max_message_bytes; /* inbound WebSocket message; beyond: 1009 */
    unsigned header_timeout_ms,
        body_timeout_ms;   /* header: head, TLS handshake; body: whole body, answer's write. Each: default 10,000 */
    unsigned keepalive_ms; /* how long a connection without requests is kept */
    size_t head_bytes;     /* the longest request head; beyond: 414 or 431 */
    const char *tls_certificate, *tls_key; /* PEM files; NULL: no TLS */
    const char *const *tls_certificates;   /* more PEM files, each with chain and key, chosen by SNI */
    size_t tls_certificates_len;
    const char *tls_client_ca; /* PEM file of CAs for client certificates (optional for clients); NULL: not requested */
    unsigned hsts_s;           /* Strict-Transport-Security over TLS; 0: not sent */
    bool tls_kernel;           /* use kernel TLS where possible */
    const struct tickets *tickets; /* net_server_new: initial keys, shared with other workers; NULL: own keys */
    bool deflate;                  /* offer permessage-deflate */
    /* Networks ("10.0.0.0/8", "unix") of proxies that name the client in X-Forwarded-For or, with proxy_protocol, in a
     * PROXY header (v1 or v2) at the start of each connection. */
    const char *const *trusted_proxies;
    size_t trusted_proxies_len;
    bool proxy_protocol;
    struct memory_budget *inbound;  /* for unfinished messages and bodies; outlives the server */
    struct memory_budget *outbound; /* for written bytes that the kernel did not take; outlives the server */
};

enum admission { ADMIT, ADMIT_REFUSE /* 503, Retry-After, before TLS and HTTP */, ADMIT_DROP /* close at once */ };

struct net_events {
    struct http_events http;
    /* Called for each accepted socket, before any costly work; counts its refusals. address: NULL when a trusted proxy
     * will name the client in each request. retry_after_s_r: for ADMIT_REFUSE. */
    enum admission (*admit)(void *owner, const struct address *address, struct seat *seat, unsigned *retry_after_s_r);
    /* Called for a connection that another process admitted and hands over, or one whose seat moves to another address
     * (NULL: to no address). May be NULL. */
    enum admission (*seat)(void *owner, const struct address *address, struct seat *seat, unsigned *retry_after_s_r);
};

/* False: error_r names the unusable file. */
bool net_settings_check(const struct net_settings *settings, struct error *error_r) MUST_CHECK;

struct net_server *net_server_new(struct loop *loop, const struct net_settings *settings,
                                  const struct net_events *events, void *owner, struct error *error_r) MUST_CHECK;
/* Prepares new settings without using them; reads certificates again. NULL: error_r says what is wrong. */
struct net_host *net_server_prepare(struct net_server *server, const struct net_settings *settings,
                                    struct error *error_r) MUST_CHECK;
/* Puts the prepared settings in force for new connections, or discards them. Both take ownership of the host. */
void net_server_enact(struct net_server *server, struct net_host **host);
void net_server_abandon(struct net_server *server, struct net_host **host);
/* Starts or stops accepting from a socket (bound, listening, non-blocking); the caller keeps it open (the master needs
 * it for restarted workers). */
void net_server_listen(struct net_server *server, int listen_fd);
void net_server_stop_listening(struct net_server *server, int listen_fd);
/* Stops accepting from all. */
void net_server_stop_accepting(struct net_server *server);
/* Receives connections that other processes hand over (http_events.elsewhere). The inbox is SOCK_SEQPACKET and stays
 * the caller's. */
void net_server_open_inbox(struct net_server *server, int inbox_fd);
unsigned net_server_connections(const struct net_server *server);
/* Closes all connections at once. */
void net_server_free(struct net_server **server);

#endif
