/* parting.h - scripts hear of a socket's end.
 *
 * They hear after the work that ended it is done, so that nothing they do meets it half-done: a hook may end any
 * socket, this client's next one, too. For this folder only.
 */
#ifndef SESSION_PARTING_H
#define SESSION_PARTING_H

struct hub;
struct socket;

/* reason: a constant. The socket is not freed before the hook has ended. */
void parting_begin(struct socket *socket, const char *reason);
/* The hub goes: nobody is told any more. */
void partings_forget(struct hub *hub);

#endif
