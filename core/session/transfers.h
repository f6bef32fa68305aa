/* SPDX-License-Identifier: Apache-2.0 */
/* transfers.h - moves a socket between workers when its client comes back to another worker.
 *
 * A pid begins with the name of the worker that gave it out: its home, which knows where the socket went. The pid must
 * stay the same: by it stock clients know that they are recovered. The worker to which the client came (the taker)
 * claims the socket from the owner. The owner detaches it (an old connection that is still open ends silently), keeps
 * listening for it, and offers its rooms. The taker joins them. The owner sends a mark on each room's topic: its
 * arrival proves to the taker that it listens there too. Then the owner sends all that was missed and forgets the
 * socket. Events that both have heard are recognised by their tag, so that none is lost or doubled. The socket is not
 * recovered if the owner does not know it or does not answer within TRANSFER_CLAIM_MS, or if the fleet has no Redis. If
 * the taker falls silent, the owner keeps the record.
 *
 * transfer_taker.c is the taker's side, transfer_owner.c the owner's. This file holds what both share.
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
    struct map *moved;         /* pids that this worker gave out and whose sockets are elsewhere */
    struct list moved_old;     /* the oldest first */
    struct buffer topic, body; /* of the message being written */
};

/* Listens on the bus. All arguments must outlive it. */
struct transfers *transfers_new(struct hub *hub, struct channel_log *log, struct bus *bus);
/* Must be called before hub_free. */
void transfers_free(struct transfers **transfers);
/* A BUS_TRANSFER from another worker. False: it is malformed. */
bool transfers_take(struct transfers *transfers, struct slice topic, const struct bus_message *message) MUST_CHECK;

/* For this folder. */

/* Begins transfers->body. */
void transfers_write_head(struct transfers *transfers, enum transfer_kind kind, uint64_t number);
/* Sends the body to a worker, or on a topic. */
void transfers_send(struct transfers *transfers, struct slice name);
void transfers_publish(struct transfers *transfers, struct slice topic);

/* The worker that has the socket of a pid that this worker gave out; NULL: not known. */
const char *transfers_where(const struct transfers *transfers, struct slice pid);
void transfers_note_moved(struct transfers *transfers, struct slice pid, struct slice name);

#endif
