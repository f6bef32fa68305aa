/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - what is wrong in a log, whatever keeps it: a driver hands over what it holds, in order, and each breach of
 * a promise is told as a finding. For the shell: it waits.
 */
#ifndef STORE_VERIFY_H
#define STORE_VERIFY_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

/* Rows that are read at once: nothing is held longer than this takes. */
enum { VERIFY_SLICE = 2000, VERIFY_PAGE = 500 };

struct verify_finding {
    const char *kind;        /* a word of a fixed list: docs/operations.md */
    const char *place;       /* "shard 2"; "": there is one place only */
    struct slice channel_id; /* empty: of none */
    int64_t seq;             /* 0: of none */
    const char *text;
};

struct verify {
    void (*found)(void *owner, const struct verify_finding *finding);
    bool (*moved)(void *owner, const struct verify *verify); /* after each slice; false ends it */
    void *owner;
    bool thorough;  /* indexes too, entry by entry; else the structure of the file only */
    bool in_slices; /* without that structure, a table of which is read in one go */
    bool is_older;  /* of a schema that a start of the server will migrate: only the file was checked */
    bool stopped;
    const char *place; /* where the driver is at */
    uint64_t channels, events, findings;
};

/* A slice is over. False: end. */
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
    int64_t floor;      /* the first number that is there, as the store says */
    int64_t seq, epoch; /* of the last event; seq = floor - 1: none yet */
    bool any;
};

/* floor: as the store says. */
void verify_log_begin(struct verify_log *log, struct verify *verify, struct slice channel_id, int64_t floor);
void verify_log_event(struct verify_log *log, const struct verify_event *event);
/* The heads as the store said before the events were read, and after. */
void verify_log_end(struct verify_log *log, int64_t before, int64_t after);

#endif
