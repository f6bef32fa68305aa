/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.h - a client comes back to another worker than had its socket: the socket moves here.
 *
 * A pid begins with the name of the worker that gave it out: its home, which knows where the socket went from there.
 * The pid stays the same, or stock clients would not know that they are recovered. The worker that the client came to
 * (the taker) claims the socket from the owner, who detaches it (its old connection, if it is still open, ends
 * silently), goes on listening for it, and offers its rooms. The taker joins them; marks that the owner sends on each
 * room's topic prove to it that it listens, too. Then the owner sends all that was missed and forgets the socket. What
 * both have heard is told apart by its tag, so that nothing is missing and nothing comes twice. An owner who knows
 * nothing, or does not answer within TRANSFER_CLAIM_MS, and a fleet without Redis, mean: not recovered. A taker who
 * falls silent leaves the owner his record.
 */
#ifndef SESSION_TRANSFER_H
#define SESSION_TRANSFER_H

#include <stdint.h>

#include "base/memory.h"
#include "base/slice.h"

struct bus;
struct bus_message;
struct channel_log;
struct hub;
struct recovery_claim;
struct socket;
struct transfers;

enum { TRANSFER_CLAIM_MS = 1000, TRANSFER_MS = 3000, TRANSFER_MARK_MS = 50, TRANSFER_SKEW_MS = 50 };

/* Of what it is made outlives it; listens on the bus. */
struct transfers *transfers_new(struct hub *hub, struct channel_log *log, struct bus *bus);
/* Before the hub goes. */
void transfers_free(struct transfers **transfers);
/* A BUS_TRANSFER of another worker. False: it is malformed. */
bool transfers_take(struct transfers *transfers, struct slice topic, const struct bus_message *message) MUST_CHECK;

/* A socket has changed. If it is one that is just being given to another worker, what it would go on from there is not
 * so any more: it goes on nowhere. */
void transfer_edited(struct transfers *transfers, const struct socket *socket);

/* Embedded in the asker. */
struct transfer_call {
    /* Once, never within transfer_begin. With is_moved the socket has the id, the rooms and the state of the one that
     * it continues, and misses what came after offset. */
    void (*done)(struct transfer_call *call, bool is_moved, uint64_t offset);
    void *taking; /* NULL: not under way */
};
/* The socket, connecting, is to continue what the claim says. False: that is no other worker's. */
bool transfer_begin(struct transfer_call *call, struct socket *socket, const struct recovery_claim *claim) MUST_CHECK;
/* done will not be called. Harmless when nothing is under way. */
void transfer_forget(struct transfer_call *call);

#endif
