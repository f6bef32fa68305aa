/* SPDX-License-Identifier: Apache-2.0 */
/* packet_assembly.h - from a session's messages to arrivals: decodes, and waits for the attachments of binary packets.
 */
#ifndef SESSION_PACKET_ASSEMBLY_H
#define SESSION_PACKET_ASSEMBLY_H

#include "base/slice.h"

struct packet_assembly;
struct session;

/* A message that a client says before it is let into a namespace, and each CONNECT. */
enum { PACKET_ASSEMBLY_STRANGER_BYTES = 64 << 10 };
/* So much of the session's next message is read. */
size_t packet_assembly_max_bytes(const struct session *session);

/* Ends the session when the bytes are wrong. */
void packet_assembly_socketio(struct session *session, struct slice message, bool binary);
/* Of an endpoint of scripts. */
void packet_assembly_message(struct session *session, struct slice message, bool binary);
void packet_assembly_plain(struct session *session, struct slice message, bool binary);
/* The session's place is another one now, which is charged for what is waited for. */
void packet_assembly_move(struct session *session);
void packet_assembly_free(struct packet_assembly **assembly);

#endif
