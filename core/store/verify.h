/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - checks a log for errors, for any driver: the driver passes what it holds, in order, and each broken
 * guarantee is reported as a finding. For the shell: it blocks.
 */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

/* Rows read at once; locks and snapshots are held only that long. */
enum { VERIFY_SLICE = 2000, VERIFY_PAGE = 500 };

struct verify_finding {
    const char *kind;        /* a word of a fixed list: docs/operations.md */
    const char *place;       /* "shard 2"; "": the store has only one place */
    struct slice channel_id; /* empty: no channel */
    int64_t seq;             /* 0: no event */
    const char *text;
};

struct verify {
    void (*found)(void *owner, const struct verify_finding *finding);
    bool (*moved)(void *owner, const struct verify *verify); /* called after each slice; false stops */
    void *owner;
    bool thorough;  /* checks indexes too, entry by entry; else only the file's structure */
    bool in_slices; /* skips the file's structure, where each table is read in one go */
    bool is_older;  /* schema is older and the server will migrate it at start: only the file was checked */
    bool stopped;
    const char *place; /* what the driver is reading */
    uint64_t channels, events, findings;
};

/* Call after each slice. False: stop. */
bool verify_moved(struct verify *verify) MUST_CHECK;
void verify_found(struct verify *verify, const char *kind, struct slice channel_id, int64_t seq, const char *format,
                  ...) PRINTF_LIKE(5, 6);

struct verify_event {
    int64_t seq, epoch, message_seq;
    int kind; /* enum store_kind */
    bool epoch_is_known, message_is_there, is_intact;
};

/* A channel's log, from its first event to its last. */
struct verify_log {
    struct verify *verify;
    struct slice channel_id;
    int64_t floor;      /* the first number that exists, according to the store */
    int64_t seq, epoch; /* of the last event; seq = floor - 1: none yet */
    bool any;
};

/* floor: according to the store. */
void verify_log_begin(struct verify_log *log, struct verify *verify, struct slice channel_id, int64_t floor);
void verify_log_event(struct verify_log *log, const struct verify_event *event);
/* The heads that the store reported before and after the events were read. */
void verify_log_end(struct verify_log *log, int64_t before, int64_t after);

#endif
