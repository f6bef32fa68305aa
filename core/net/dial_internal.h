/* SPDX-License-Identifier: Apache-2.0 */
/* dial_internal.h - what the files of dialing share. core/net/dial*.c only. */
#ifndef NET_DIAL_INTERNAL_H
#define NET_DIAL_INTERNAL_H

#include <libwebsockets.h>

#include "base/list.h"
#include "loop/loop.h"
#include "loop/resolver.h"
#include "net/dial.h"

struct dialer {
    struct loop *loop;
    struct lws_context *context; /* NULL: nobody has dialed yet */
    struct resolver *resolver;
    struct list dials, authorities;
    unsigned len;
};

/* What a URL says. */
struct dial_url {
    bool tls;
    uint16_t port;
    char *host; /* a name, or a number without brackets */
    char *host_field, *path;
};

enum dial_state {
    DIAL_RESOLVING,
    DIAL_CONNECTING, /* to the end of the handshake */
    DIAL_OPEN,
    DIAL_CLOSING, /* what was sent leaves, then our Close frame, then the peer's is awaited */
    DIAL_ENDED
};

struct dial_message {
    struct list link;
    bool binary;
    struct buffer bytes; /* outgoing: behind LWS_PRE free ones */
};

struct dial_queue {
    struct list messages;
    size_t bytes;
    bool is_full; /* somebody waits for room; or reading has stopped */
};

struct dial {
    struct list link;
    struct dialer *dialer;
    const struct dial_events *events; /* NULL: forgotten */
    void *owner;
    enum dial_state state;
    struct dial_url url;
    struct lws_vhost *vhost;
    struct lws *wsi; /* NULL: none, or not any more */
    struct resolver_question question;
    struct sockaddr_storage addresses[RESOLVER_ADDRESSES];
    size_t addresses_len, next_address;
    char *protocols, *protocol;
    struct buffer headers, partial; /* partial: of a message that is coming */
    bool untrusted, wants_end, close_sent;
    size_t max_message_bytes, queue_bytes;
    struct dial_queue out, in;
    uint16_t code; /* of the first Close frame; 0: none */
    struct buffer reason;
    struct loop_timer deadline;
    struct loop_task task, reap;
};

/* dial_url.c: "ws://name:80/path?query". False: it is none. */
bool dial_url_read(const char *text, struct dial_url *url_r) MUST_CHECK;
void dial_url_done(struct dial_url *url);

/* dial_context.c: libwebsockets and libuv, from the first call on. NULL: fault_r. */
struct lws_vhost *dial_vhost(struct dialer *dialer, const char *ca, enum dial_fault *fault_r);
/* libwebsockets asks about a certificate: 0: it may be taken. */
int dial_judge(struct dial *dial, void *store_context, bool is_sound);
/* Closes all connections; the loop must not be in a turn. */
void dial_context_free(struct dialer *dialer);
/* dial.c */
int dial_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);

#endif
