/* assembly.h - from a session's messages to arrivals: decodes, and waits for the attachments of binary packets. */
#ifndef SESSION_ASSEMBLY_H
#define SESSION_ASSEMBLY_H

#include "base/slice.h"

struct assembly;
struct session;

/* A message that a client says before it is let into a namespace, and each CONNECT. */
enum { ASSEMBLY_STRANGER_BYTES = 64 << 10 };
/* So much of the session's next message is read. */
size_t assembly_max_bytes(const struct session *session);

/* Ends the session when the bytes are wrong. */
void assembly_socketio(struct session *session, struct slice message, bool binary);
/* Of an endpoint of scripts. */
void assembly_message(struct session *session, struct slice message, bool binary);
void assembly_plain(struct session *session, struct slice message, bool binary);
/* The session's place is another one now, which is charged for what is waited for. */
void assembly_move(struct session *session);
void assembly_free(struct assembly **assembly);

#endif
