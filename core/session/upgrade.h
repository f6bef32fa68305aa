/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.h - from polling to a WebSocket: polling stays in use until the WebSocket has been probed. For this folder
 * only. */
#ifndef SESSION_UPGRADE_H
#define SESSION_UPGRADE_H

#include <stdbool.h>

#include "base/slice.h"

struct session;
struct transport;

/* A WebSocket arrived for a polling session. False: it is refused; the caller closes it. */
bool upgrade_begin(struct session *session, struct transport *probe);
/* A message arrived over the WebSocket. */
void upgrade_heard(struct session *session, struct slice message, bool binary);
/* Answers a waiting poll, so that the client may move. */
void upgrade_release_poll(struct session *session);
/* Closes the WebSocket that is being probed, if any. */
void upgrade_end(struct session *session);
/* The WebSocket closed by itself. */
void upgrade_gone(struct session *session);

#endif
