/* assembly.h - from a session's messages to arrivals: decodes, and waits for the attachments of binary packets. */
#ifndef SESSION_ASSEMBLY_H
#define SESSION_ASSEMBLY_H

#include "base/slice.h"

struct assembly;
struct session;

/* Ends the session when the bytes are wrong. */
void assembly_socketio(struct session *session, struct slice message, bool binary);
/* Of an endpoint of scripts. */
void assembly_message(struct session *session, struct slice message, bool binary);
void assembly_plain(struct session *session, struct slice message, bool binary);
void assembly_free(struct assembly **assembly);

#endif
