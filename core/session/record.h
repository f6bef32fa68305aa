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
};

/* What a recovery needs beside the socket's rooms. */
struct record {
    char pid[PID_LEN + 1]; /* its worker's name and a secret; empty: not recoverable */
    struct buffer *had;    /* tags of what came with it; NULL: none */
    uint64_t known_offset; /* up to here it is in no need: that was before its time, or it answered a later ping */
    struct away *away;     /* NULL: it is attached */
};

/* Made, if it has none. */
struct away *record_away(struct record *record);
void record_forget_away(struct record *record);
/* The rooms that it was in when it was detached: of each the offset from which on it is in it (64 bits), the length of
 * its name (16), the name. */
struct slice record_rooms(const struct record *record);
void record_add_room(struct record *record, struct slice name, uint64_t since_offset);
/* The first of them, and rooms without it; false: there is none. */
bool record_next_room(struct slice *rooms, struct slice *name_r, uint64_t *since_offset_r) MUST_CHECK;

#endif
