/* SPDX-License-Identifier: Apache-2.0 */
/* recovery.h - a socket that continues after its connection broke: the records, and who may take one over. */
#ifndef SESSION_RECOVERY_H
#define SESSION_RECOVERY_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

struct hub;
struct socket;

enum { RECOVERY_SOCKETS_MAX = 100000, RECOVERY_BYTES_MAX = 64 << 20 };

/* From now on the socket can be recovered under a pid (of its own, if it has none). */
void recovery_offer(struct socket *socket);
/* As it was before recovery_drop. */
void recovery_restore(struct socket *socket, const char *pid);
/* It has come from another worker, and is to hear what came after offset. The pid stays: clients know by it that they
 * are recovered. */
void recovery_moved(struct socket *socket, const char *pid, uint64_t offset);
/* NULL: no socket of this worker. */
struct socket *recovery_find(const struct hub *hub, struct slice pid);
/* The detached socket waits for its client, within the window. */
void recovery_keep(struct socket *socket);
bool recovery_is_awaited(const struct socket *socket);
/* What it comes back to has changed while it is away. */
void recovery_edited(struct socket *socket);
/* No longer recoverable. */
void recovery_drop(struct socket *socket);
/* The socket, which is away, ends. Nothing if it has ended. */
void recovery_revoke(struct socket *socket);
void recovery_drop_all(struct hub *hub);
/* The timer of the hub's records. */
struct loop_timer;
void recovery_expired(struct loop_timer *timer);

struct recovery_claim {
    struct slice pid, offset; /* offset: empty when the client never saw an event */
    struct slice namespace_name, user_id;
    bool guest; /* nobody asks who clients are: the pid alone tells */
};
/* The socket, detached from whatever session it was in (which is closed), with its rooms joined again from the offset
 * to be replayed; NULL: not to be recovered. */
struct socket *recovery_take(struct hub *hub, const struct recovery_claim *claim, uint64_t *offset_r);
/* Delivers what was missed. False: not whole; nothing was delivered. */
bool recovery_replay(struct socket *socket, uint64_t offset) MUST_CHECK;

#endif
