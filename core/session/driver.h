/* SPDX-License-Identifier: Apache-2.0 */
/* driver.h - the two transports over sockets, begun by HTTP requests. For hub_http.c. */
#ifndef SESSION_DRIVER_H
#define SESSION_DRIVER_H

#include "session/session.h"

/* An upgrade is accepted: a session begins (takes handshake), or the session of that id is to be upgraded. base64: the
 * client has no binary frames. */
void websocket_accept(struct hub *hub, enum session_kind kind, struct handshake *handshake, bool base64,
                      struct http_upgrade *upgrade_r);
void websocket_accept_probe(struct hub *hub, struct slice session_id, bool base64, struct http_upgrade *upgrade_r);

/* A polling session begins with its first GET. */
void polling_accept(struct hub *hub, enum session_kind kind, struct handshake *handshake, struct http_request *request,
                    struct slice headers);
/* A later request of a session whose transport is polling. */
void polling_continue(struct session *session, struct http_request *request, struct slice headers);

#endif
