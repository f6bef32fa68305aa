/* SPDX-License-Identifier: Apache-2.0 */
/* transfers.h - a client comes back to another worker than had its socket: the socket moves here.
 *
 * A pid begins with the name of the worker that gave it out: its home, which knows where the socket went from there.
 * The pid stays the same, or stock clients would not know that they are recovered. The worker that the client came to
 * (the taker) claims the socket from the owner, who detaches it (its old connection, if it is still open, ends
 * silently), goes on listening for it, and offers its rooms. The taker joins them; marks that the owner sends on each
 * room's topic prove to it that it listens, too. Then the owner sends all that was missed and forgets the socket. What
 * both have heard is told apart by its tag, so that nothing is missing and nothing comes twice. An owner who knows
 * nothing, or does not answer within TRANSFER_CLAIM_MS, and a fleet without Redis, mean: not recovered. A taker who
 * falls silent leaves the owner his record.
 *
 * transfer_taker.c takes, transfer_owner.c gives; here is what both share.
 */
#ifndef SESSION_TRANSFERS_H
#define SESSION_TRANSFERS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"

struct bus;
struct bus_message;
struct channel_log;
struct hub;
struct map;

enum { TRANSFER_CLAIM_MS = 1000, TRANSFER_MS = 3000, TRANSFER_MARK_MS = 50, TRANSFER_SKEW_MS = 50 };

/* A message's body begins with its kind and the taker's number of the transfer. */
enum transfer_kind {
    TRANSFER_CLAIM = 1, /* to the owner: the taker's name, pid, offset, namespace, user, whether it is a guest */
    TRANSFER_OFFER,     /* to the taker: the owner's name, socket's id, user (of a guest), state, rooms; each with its
                           channel's epoch and seq, or nothing */
    TRANSFER_MARK,      /* on the topic of each room */
    TRANSFER_READY,     /* to the owner: the taker has heard all marks */
    TRANSFER_MISSED,    /* to the taker: channels with the seq that the owner has heard; events */
    TRANSFER_REFUSED,   /* to the taker */
    TRANSFER_MOVED,     /* to the pid's home: pid, the taker's name */
    TRANSFER_KINDS
};

struct transfers {
    struct hub *hub;
    struct channel_log *log;
    struct bus *bus;
    struct list takings, givings;
    struct map *moved;         /* of the pids that this worker gave out: those whose sockets are elsewhere */
    struct list moved_old;     /* the oldest first */
    struct buffer topic, body; /* of the message at hand */
};

/* Of what it is made outlives it; listens on the bus. */
struct transfers *transfers_new(struct hub *hub, struct channel_log *log, struct bus *bus);
/* Before the hub goes. */
void transfers_free(struct transfers **transfers);
/* A BUS_TRANSFER of another worker. False: it is malformed. */
bool transfers_take(struct transfers *transfers, struct slice topic, const struct bus_message *message) MUST_CHECK;

/* For this folder. */

/* Begins transfers->body. */
void transfers_write_head(struct transfers *transfers, enum transfer_kind kind, uint64_t number);
/* Sends the body to a worker; on a topic. */
void transfers_send(struct transfers *transfers, struct slice name);
void transfers_publish(struct transfers *transfers, struct slice topic);

/* Where a socket is whose pid this worker gave out; NULL: nobody has told. */
const char *transfers_where(const struct transfers *transfers, struct slice pid);
void transfers_note_moved(struct transfers *transfers, struct slice pid, struct slice name);

#endif
