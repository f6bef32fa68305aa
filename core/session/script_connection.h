/* SPDX-License-Identifier: Apache-2.0 */
/* script_connection.h - how scripts act on a client of one of their endpoints, and what they are told of it.
 *
 * dispatch.c asks them when the client connects (POLICY_OPEN) and when it sends a message (POLICY_MESSAGE). They are
 * told of its end (POLICY_CLOSED).
 */
#ifndef SESSION_SCRIPT_CONNECTION_H
#define SESSION_SCRIPT_CONNECTION_H

#include <stdint.h>

#include "base/slice.h"

struct hub;
struct receiver;
struct script_connection;
struct session;
struct socket;

/* Each: false if the session is gone or does not belong to such an endpoint. */
bool script_connection_is_there(struct hub *hub, struct slice session_id);
bool script_connection_send(struct hub *hub, struct slice session_id, struct slice message, bool binary);
/* Messages sent before leave first. reason: at most 123 bytes. */
bool script_connection_close(struct hub *hub, struct slice session_id, uint16_t code, struct slice reason);
/* Rooms of the main namespace. join also returns false if rooms_max is reached or the name is over 128 bytes. */
bool script_connection_join(struct hub *hub, struct slice session_id, struct slice room);
bool script_connection_leave(struct hub *hub, struct slice session_id, struct slice room);

/* For this folder. */
struct script_connection *script_connection_new(struct session *session, size_t max_message_bytes);
void script_connection_free(struct script_connection **connection);
size_t script_connection_max_bytes(const struct session *session);
/* Scripts refused the client: they are not told of its end. */
void script_connection_refuse(struct session *session);
/* The connection leaves its rooms; scripts are told of its end, later. */
void script_connection_end(struct session *session, uint16_t code, struct slice reason);
/* What was given to script_connection_end. */
uint16_t script_connection_said(const struct session *session, struct slice *reason_r);

#endif
