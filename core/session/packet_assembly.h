/* SPDX-License-Identifier: Apache-2.0 */
/* packet_assembly.h - turns a session's messages into arrivals: decodes them, and waits for the attachments of binary
 * packets. */
#ifndef SESSION_PACKET_ASSEMBLY_H
#define SESSION_PACKET_ASSEMBLY_H

#include "base/slice.h"

struct packet_assembly;
struct session;

/* Limit for messages before the client is admitted to a namespace, and for each CONNECT. */
enum { PACKET_ASSEMBLY_STRANGER_BYTES = 64 << 10 };
/* Size limit of the session's next message. */
size_t packet_assembly_max_bytes(const struct session *session);

/* Ends the session when the bytes are wrong. */
void packet_assembly_socketio(struct session *session, struct slice message, bool binary);
/* For an endpoint of scripts. */
void packet_assembly_message(struct session *session, struct slice message, bool binary);
void packet_assembly_plain(struct session *session, struct slice message, bool binary);
/* The session has another seat now: the unfinished packet is charged to the new one. */
void packet_assembly_move(struct session *session);
void packet_assembly_free(struct packet_assembly **assembly);

#endif
