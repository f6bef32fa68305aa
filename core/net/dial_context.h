/* SPDX-License-Identifier: Apache-2.0 */
/* dial_context.h - libwebsockets as a client: its context, on a libuv loop within ours, and one virtual host for each
 * set of authorities. core/net only. */
#ifndef NET_DIAL_CONTEXT_H
#define NET_DIAL_CONTEXT_H

#include <libwebsockets.h>

#include "base/list.h"
#include "net/dial.h"

/* Embedded in its owner; must not move, because libwebsockets has pointers to it. */
struct dial_context {
    struct loop *loop;
    struct lws_context *lws; /* NULL: nobody has dialed yet */
    struct lws_protocols protocols[2];
    struct list authorities;
};

/* callback: called for every connection. */
void dial_context_init(struct dial_context *context, struct loop *loop, lws_callback_function *callback);
/* The first call creates the libwebsockets context and the libuv loop. NULL: fault_r says why. */
struct lws_vhost *dial_context_vhost(struct dial_context *context, const char *ca, enum dial_fault *fault_r);
/* libwebsockets asks whether host's certificate is acceptable. */
bool dial_context_trusts(const char *host, void *store_context, bool is_sound);
/* For LWS_CALLBACK_WSI_DESTROY, in whatever state the connection ended. */
void dial_context_gone(struct lws *wsi);
/* Closes all connections. Not within a loop turn. */
void dial_context_done(struct dial_context *context);

#endif
