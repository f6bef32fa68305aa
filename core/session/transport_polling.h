/* SPDX-License-Identifier: Apache-2.0 */
/* transport_polling.h - a session over polling, begun by a GET. For hub_http.c. */
#ifndef SESSION_TRANSPORT_POLLING_H
#define SESSION_TRANSPORT_POLLING_H

#include "session/session.h"

/* A polling session begins with its first GET. */
void transport_polling_accept(struct hub *hub, enum session_kind kind, struct handshake *handshake,
                              struct http_request *request, struct slice headers);
/* A later request of a session whose transport is polling. */
void transport_polling_continue(struct session *session, struct http_request *request, struct slice headers);

#endif
