/* SPDX-License-Identifier: Apache-2.0 */
/* parting.h - tells scripts of the end of a socket, or of a connection to one of their endpoints.
 *
 * Scripts are told after the work that ended it is complete, so that they never see it half done: a hook may end any
 * socket, even this client's next one. For this folder only.
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
/* code, reason: those of the Close frame. reason is copied. */
void parting_begin_connection(struct session *session, uint16_t code, struct slice reason);
/* The hub is freed: nobody is told any more. */
void partings_forget(struct hub *hub);

#endif
