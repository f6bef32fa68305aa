/* SPDX-License-Identifier: Apache-2.0 */
/* transport_websocket.h - a session over a WebSocket, begun by an upgrade. For hub_http.c. */
#ifndef SESSION_TRANSPORT_WEBSOCKET_H
#define SESSION_TRANSPORT_WEBSOCKET_H

#include "session/session.h"

/* Accepts an upgrade: accept begins a session (takes handshake), probe upgrades the session of that id. base64: the
 * client has no binary frames. */
void transport_websocket_accept(struct hub *hub, enum session_kind kind, struct handshake *handshake, bool base64,
                                struct http_upgrade *upgrade_r);
void transport_websocket_probe(struct hub *hub, struct slice session_id, bool base64, struct http_upgrade *upgrade_r);
/* For http_events.opened. */
void transport_websocket_opened(void *upgrade_owner, struct conn *conn);

#endif
