/* SPDX-License-Identifier: Apache-2.0 */
/* upgrade.h - from polling to a WebSocket: polling stays in charge until the WebSocket has proven itself. For this
 * folder only.
 */
#ifndef SESSION_UPGRADE_H
#define SESSION_UPGRADE_H

#include <stdbool.h>

#include "base/slice.h"

struct session;
struct transport;

/* A WebSocket that came for a polling session. False: not now; the caller closes it. */
bool upgrade_begin(struct session *session, struct transport *probe);
/* What came over it. */
void upgrade_heard(struct session *session, struct slice message, bool binary);
/* A poll that waits is let go, so that the client may move. */
void upgrade_release_poll(struct session *session);
/* The WebSocket is closed, if one is being tried. */
void upgrade_end(struct session *session);
/* It went by itself. */
void upgrade_gone(struct session *session);

#endif
