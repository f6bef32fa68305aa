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
    size_t max_message_bytes; /* inbound WebSocket message: beyond 1009 */
    unsigned header_timeout_ms,
        body_timeout_ms;   /* 10,000 each: request head, TLS handshake; whole body, write of an answer */
    unsigned keepalive_ms; /* a connection that asks nothing more is kept for so long */
    size_t head_bytes;     /* the longest request head: beyond 414 or 431 */
    const char *tls_certificate, *tls_key; /* PEM files; NULL: no TLS */
    const char *const *tls_certificates;   /* more, each a PEM file with chain and key: for whoever asks for its name */
    size_t tls_certificates_len;
    const char *tls_client_ca; /* PEM file: a client may show a certificate, signed by one of these; NULL: not asked */
    unsigned hsts_s;           /* over TLS, answers tell browsers to use nothing else for so long; 0: they do not */
    bool tls_kernel;           /* the kernel encrypts, where it can */
    const struct tickets *tickets; /* net_server_new: the keys to begin with, as others do; NULL: its own */
    bool deflate;                  /* offer permessage-deflate */
    /* Networks ("10.0.0.0/8", "unix") of proxies, which say whom they speak for: by X-Forwarded-For, or, with
     * proxy_protocol, by a PROXY header, v1 or v2, with which each of their connections begins. */
    const char *const *trusted_proxies;
    size_t trusted_proxies_len;
    bool proxy_protocol;
    struct memory_budget *inbound;  /* what unfinished messages and bodies may hold; outlives the server */
    struct memory_budget *outbound; /* what was written and not taken may hold; likewise */
};

enum admission { ADMIT, ADMIT_REFUSE /* 503, Retry-After, before TLS and HTTP */, ADMIT_DROP /* close at once */ };

struct net_events {
    struct http_events http;
    /* For each accepted socket, before anything costs; counts what it refuses. address: NULL when a trusted proxy will
     * say it with each request. retry_after_s_r: for ADMIT_REFUSE. */
    enum admission (*admit)(void *owner, const struct address *address, struct seat *seat, unsigned *retry_after_s_r);
    /* Of a connection that another process hands over, which was admitted there, or one whose seat is another
     * address's from now on (NULL: nobody's). May be NULL. */
    enum admission (*seat)(void *owner, const struct address *address, struct seat *seat, unsigned *retry_after_s_r);
};

/* False: error_r names the file that cannot be used. */
bool net_settings_check(const struct net_settings *settings, struct error *error_r) MUST_CHECK;

struct net_server *net_server_new(struct loop *loop, const struct net_settings *settings,
                                  const struct net_events *events, void *owner, struct error *error_r) MUST_CHECK;
/* New settings, built aside; certificates are read again. NULL: they do not work. */
struct net_host *net_server_prepare(struct net_server *server, const struct net_settings *settings,
                                    struct error *error_r) MUST_CHECK;
/* They hold for new connections from now on; or they never will. Both take the host. */
void net_server_enact(struct net_server *server, struct net_host **host);
void net_server_abandon(struct net_server *server, struct net_host **host);
/* Accepts from one more socket, bound, listening and non-blocking, or no more from it; it stays the caller's, open (the
 * master keeps it over respawns). */
void net_server_listen(struct net_server *server, int listen_fd);
void net_server_stop_listening(struct net_server *server, int listen_fd);
/* Stops accepting from all. */
void net_server_stop_accepting(struct net_server *server);
/* Connections that other processes hand over (http_events.elsewhere) arrive here; SOCK_SEQPACKET; the caller's. */
void net_server_open_inbox(struct net_server *server, int inbox_fd);
unsigned net_server_connections(const struct net_server *server);
/* Closes what is left at once. */
void net_server_free(struct net_server **server);

#endif
