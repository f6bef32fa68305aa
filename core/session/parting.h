/* SPDX-License-Identifier: Apache-2.0 */
/* parting.h - scripts hear of the end of a socket, or of a connection to an endpoint of theirs.
 *
 * They hear after the work that ended it is done, so that nothing they do meets it half-done: a hook may end any
 * socket, this client's next one, too. For this folder only.
 */
#ifndef SESSION_PARTING_H
#define SESSION_PARTING_H

#include <stdint.h>

#include "base/slice.h"

struct hub;
struct session;
struct socket;

/* reason: a constant. The socket is not freed before the hook has ended. */
void parting_begin(struct socket *socket, const char *reason);
/* code, reason: of the Close frame; all is copied. */
void parting_begin_connection(struct session *session, uint16_t code, struct slice reason);
/* The hub goes: nobody is told any more. */
void partings_forget(struct hub *hub);

#endif
