/* SPDX-License-Identifier: Apache-2.0 */
/* socket_call.h - questions to a socket's client. */
#ifndef SESSION_SOCKET_CALL_H
#define SESSION_SOCKET_CALL_H

#include <stdbool.h>

#include "base/slice.h"

struct socket;

/* A question to the client, answered by its acknowledgement. */
enum socket_call_status { SOCKET_CALL_OK, SOCKET_CALL_TIMEOUT, SOCKET_CALL_GONE };
struct socket_call;
typedef void socket_call_done(void *owner, enum socket_call_status status, struct slice json,
                              const struct slice *attachments, unsigned attachments_len);
/* done is called exactly once, later, from the loop. False: the socket has 64 open questions. */
bool socket_ask(struct socket *socket, struct slice args, const struct slice *attachments, unsigned attachments_len,
                unsigned timeout_ms, socket_call_done *done, void *owner);

#endif
