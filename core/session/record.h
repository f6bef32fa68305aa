/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - what a recovery needs of a socket: who it is, what it knows, and, while it is detached, its rooms. For
 * this folder only. */
#ifndef SESSION_RECORD_H
#define SESSION_RECORD_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/ids.h"

enum { PID_LEN = ID_OWNER_LEN + ID_SECRET_LEN };

/* What a socket has while it is detached. */
struct away {
    struct buffer rooms; /* record_rooms */
    uint64_t expires_ms; /* 0: no recovery is waited for */
    size_t bytes;        /* what it counts for among the hub's records */
};

/* What came with a socket from another worker, and may come by itself, too: as long as a copy may be on its way, or be
 * kept in a room's log. */
struct had {
    uint64_t until_ms;
    struct buffer tags; /* uint64_t each */
};

/* What a recovery needs beside the socket's rooms. */
struct record {
    char *pid;             /* its worker's name and a secret; NULL: not recoverable */
    struct had *had;       /* NULL: nothing came with it, or too long ago to come again */
    uint64_t known_offset; /* up to here it is in no need: that was before its time, or it answered a later ping */
    struct away *away;     /* NULL: it is attached */
};

void record_note_had(struct record *record, uint64_t tag, uint64_t until_ms);
bool record_has_had(struct record *record, uint64_t tag, uint64_t now_ms);
void record_forget_had(struct record *record);

/* Made, if it has none. */
struct away *record_away(struct record *record);
void record_forget_away(struct record *record);
/* The rooms that it was in when it was detached: of each the offset from which on it is in it (64 bits), the length of
 * its name (16), the name. */
struct slice record_rooms(const struct record *record);
void record_add_room(struct record *record, struct slice name, uint64_t since_offset);
/* False: it was not in it. */
bool record_remove_room(struct record *record, struct slice name);
/* The first of them, and rooms without it; false: there is none. */
bool record_next_room(struct slice *rooms, struct slice *name_r, uint64_t *since_offset_r) MUST_CHECK;

#endif
