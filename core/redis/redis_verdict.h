/* SPDX-License-Identifier: Apache-2.0 */
/* redis_verdict.h - one table of server errors and how to react to each. */
#ifndef REDIS_REDIS_VERDICT_H
#define REDIS_REDIS_VERDICT_H

#include <stdbool.h>

#include "base/memory.h"
#include "base/slice.h"

enum verdict {
    VERDICT_FAIL,    /* pass the error to the caller */
    VERDICT_RETRY,   /* temporary: retry after a delay, until the deadline */
    VERDICT_LOOK,    /* servers have changed: look up the topology, and retry after a delay */
    VERDICT_MOVED,   /* the slot has a new owner: update the map and retry there */
    VERDICT_ASK,     /* for this command only: send ASKING and the command to another server */
    VERDICT_DEMOTE,  /* this server must not be written to: hang up, look, and retry after a delay */
    VERDICT_HANG_UP, /* the connection is in a wrong state: open another one, and retry after a delay */
    VERDICT_TEXT,    /* the server does not know the script: send its text */
    VERDICT_SHED     /* the server is out of memory: refuse, without a retry */
};

struct verdict_row {
    const char *code; /* the error's first word */
    enum verdict verdict;
};

/* The row for that error; a VERDICT_FAIL row if the table has none. */
const struct verdict_row *verdict_of(struct slice error);
/* Parses "MOVED 3999 host:port" and "ASK …". False: neither. An empty host means the server that answered. */
bool verdict_target(struct slice error, unsigned *slot_r, struct slice *address_r) MUST_CHECK;

#endif
