/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - what a recovery needs of a socket: its pid, the offset up to which it needs nothing and, while it is
 * detached, its rooms. For this folder only. */
#ifndef SESSION_RECORD_H
#define SESSION_RECORD_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/ids.h"

enum { PID_LEN = ID_OWNER_LEN + ID_SECRET_LEN };

/* What a socket has while it is detached. */
struct away {
    struct buffer rooms; /* record_rooms */
    uint64_t expires_ms; /* 0: no recovery is expected */
    size_t bytes;        /* charged to the hub's records */
};

/* Packets that came with a socket from another worker. Each may also arrive here as an ordinary copy, as long as a copy
 * is on its way or kept in a room's log. */
struct had {
    uint64_t until_ms;
    struct buffer tags; /* uint64_t each */
};

/* What a recovery needs beside the socket's rooms. */
struct record {
    char *pid;             /* the name of the worker that made it, and a secret; NULL: not recoverable */
    struct had *had;       /* NULL: nothing came with it, or too long ago for a second copy */
    uint64_t known_offset; /* the client needs nothing up to here: it is older than the socket, or the client answered a
                              later ping */
    struct away *away;     /* NULL: it is attached */
};

void record_note_had(struct record *record, uint64_t tag, uint64_t until_ms);
bool record_has_had(struct record *record, uint64_t tag, uint64_t now_ms);
void record_forget_had(struct record *record);

/* Made if there is none. */
struct away *record_away(struct record *record);
void record_forget_away(struct record *record);
/* The rooms that the socket was in when it was detached. For each: the offset at which it joined (64 bits), the name's
 * length (16 bits), the name. */
struct slice record_rooms(const struct record *record);
void record_add_room(struct record *record, struct slice name, uint64_t since_offset);
/* False: it was not in the room. */
bool record_remove_room(struct record *record, struct slice name);
/* Takes the first room off *rooms. False: there is none. */
bool record_next_room(struct slice *rooms, struct slice *name_r, uint64_t *since_offset_r) MUST_CHECK;

#endif
