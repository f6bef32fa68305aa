/* SPDX-License-Identifier: Apache-2.0 */
/* transfer_internal.h - what both sides of a transfer share: transfer.c takes, transfer_owner.c gives. */
#ifndef SESSION_TRANSFER_INTERNAL_H
#define SESSION_TRANSFER_INTERNAL_H

#include "base/buffer.h"
#include "base/list.h"
#include "base/slice.h"

struct bus;
struct channel_log;
struct hub;
struct map;

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

/* Begins transfers->body. */
void transfer_write_head(struct transfers *transfers, enum transfer_kind kind, uint64_t number);
/* Sends the body to a worker; on a topic. */
void transfer_send(struct transfers *transfers, struct slice name);
void transfer_publish(struct transfers *transfers, struct slice topic);

/* Where a socket is whose pid this worker gave out; NULL: nobody has told. */
const char *transfer_where(const struct transfers *transfers, struct slice pid);
void transfer_note_moved(struct transfers *transfers, struct slice pid, struct slice name);

/* The owner's side. False: malformed. */
bool transfer_take_claim(struct transfers *transfers, uint64_t number, struct slice body);
bool transfer_take_ready(struct transfers *transfers, uint64_t number, struct slice body);
void transfer_end_givings(struct transfers *transfers);

#endif
