/* SPDX-License-Identifier: Apache-2.0 */
/* redis_verdict.h - what a server's error means for the command that got it: one table. */
#ifndef REDIS_REDIS_VERDICT_H
#define REDIS_REDIS_VERDICT_H

#include <stdbool.h>

#include "base/memory.h"
#include "base/slice.h"

enum verdict {
    VERDICT_FAIL,    /* the asker's to know */
    VERDICT_RETRY,   /* passes: again after a delay, until the deadline */
    VERDICT_LOOK,    /* passes when the servers have changed: ask who they are, and again after a delay */
    VERDICT_MOVED,   /* the slot has another owner from now on: again, there */
    VERDICT_ASK,     /* this once, another server: ASKING, again, there; nothing else changes */
    VERDICT_DEMOTE,  /* this server must not be written to: hang up on it, look, and again after a delay */
    VERDICT_HANG_UP, /* this connection is not what it should be: another one, and again after a delay */
    VERDICT_TEXT,    /* the script is not known there: send its text */
    VERDICT_SHED     /* the server has no room: refused, and not asked again */
};

struct verdict_row {
    const char *code; /* the error's first word */
    enum verdict verdict;
};

/* The row of that error; one of VERDICT_FAIL for those that are not in the table. */
const struct verdict_row *verdict_of(struct slice error);
/* Of "MOVED 3999 host:port" and "ASK …": false: it is none. An empty host is the one that said so. */
bool verdict_target(struct slice error, unsigned *slot_r, struct slice *address_r) MUST_CHECK;

#endif
