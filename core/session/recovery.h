/* SPDX-License-Identifier: Apache-2.0 */
/* recovery.h - continues a socket after its connection broke: the records, and who may claim one. */
#ifndef SESSION_RECOVERY_H
#define SESSION_RECOVERY_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

struct hub;
struct socket;

enum { RECOVERY_SOCKETS_MAX = 100000, RECOVERY_BYTES_MAX = 64 << 20 };

/* From now on the socket can be recovered under its pid; gives it a new one if it has none. */
void recovery_offer(struct socket *socket);
/* Undoes recovery_drop. */
void recovery_restore(struct socket *socket, const char *pid);
/* The socket came from another worker and needs what came after offset. The pid stays: by it clients know that they are
 * recovered. */
void recovery_moved(struct socket *socket, const char *pid, uint64_t offset);
/* NULL: this worker has no such socket. */
struct socket *recovery_find(const struct hub *hub, struct slice pid);
/* The detached socket waits for its client, within the window. */
void recovery_keep(struct socket *socket);
bool recovery_is_awaited(const struct socket *socket);
/* The detached socket was changed, for example its rooms. */
void recovery_edited(struct socket *socket);
/* No longer recoverable. */
void recovery_drop(struct socket *socket);
/* Ends the detached socket. Nothing if it has ended. */
void recovery_revoke(struct socket *socket);
void recovery_drop_all(struct hub *hub);
/* The timer of the hub's records. */
struct loop_timer;
void recovery_expired(struct loop_timer *timer);

struct recovery_claim {
    struct slice pid, offset; /* offset: empty if the client received no event */
    struct slice namespace_name, user_id;
    bool guest; /* no authentication: the pid alone identifies the client */
};
/* Returns the socket, detached from its session (which is closed if it had one), with its rooms joined again from the
 * offset to replay. NULL: it cannot be recovered. */
struct socket *recovery_take(struct hub *hub, const struct recovery_claim *claim, uint64_t *offset_r);
/* Delivers what was missed. False: it is not complete; nothing was delivered. */
bool recovery_replay(struct socket *socket, uint64_t offset) MUST_CHECK;

#endif
