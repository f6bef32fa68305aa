/* SPDX-License-Identifier: Apache-2.0 */
/* script_connection.h - what scripts do with a client of one of their endpoints, and what they hear of it.
 *
 * They are asked when it comes (POLICY_OPEN) and when it says something (POLICY_MESSAGE), dispatch.c; they hear of its
 * end (POLICY_CLOSED).
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

/* Each: false when the session has gone, or is none of such an endpoint. */
bool script_connection_is_there(struct hub *hub, struct slice session_id);
bool script_connection_send(struct hub *hub, struct slice session_id, struct slice message, bool binary);
/* What was sent before leaves first. reason: at most 123 bytes. */
bool script_connection_close(struct hub *hub, struct slice session_id, uint16_t code, struct slice reason);
/* A room of the main namespace. Also false: rooms_max reached, or a name over 128 bytes. */
bool script_connection_join(struct hub *hub, struct slice session_id, struct slice room);
bool script_connection_leave(struct hub *hub, struct slice session_id, struct slice room);

/* For this folder. */
struct script_connection *script_connection_new(struct session *session, size_t max_message_bytes);
void script_connection_free(struct script_connection **connection);
/* How large its messages may be. */
size_t script_connection_max_bytes(const struct session *session);
/* Scripts have refused it: they do not hear of its end. */
void script_connection_refuse(struct session *session);
/* It leaves its rooms; scripts hear of it, later. */
void script_connection_end(struct session *session, uint16_t code, struct slice reason);
/* What was given to script_connection_end. */
uint16_t script_connection_said(const struct session *session, struct slice *reason_r);

#endif
