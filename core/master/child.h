/* SPDX-License-Identifier: Apache-2.0 */
/* child.h - a worker as its master sees it: started, watched, replaced.
 *
 * A worker that ends is replaced at once; when workers end 5 times in 10 s the next ones wait, 1 s at first, 30 s at
 * most. The master kills a serving worker whose loop has not turned for 10 s, and a starting worker that reports no
 * progress within its timeout. Time comes from the caller (monotonic ms).
 */
#ifndef MASTER_CHILD_H
#define MASTER_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/memory.h"

enum { CHILD_STUCK_MS = 10000, CHILD_STORM = 5, CHILD_STORM_MS = 10000, CHILD_WAIT_MAX_MS = 30000 };

/* Its state in a reload (rollout.c). */
enum child_stage { CHILD_IDLE, CHILD_ASKED, CHILD_PREPARED, CHILD_ENACTING };

struct child {
    unsigned slot;
    pid_t pid; /* 0: none runs */
    int link;  /* the master's end; -1 */
    bool ready, killed;
    enum child_stage stage;
    unsigned connections;
    uint64_t started_ms, heard_ms;
    uint64_t start_timeout_ms;     /* longest silence before it serves */
    uint64_t ends_ms[CHILD_STORM]; /* when the last ones ended, a ring */
    unsigned ends, wait_ms;
    uint64_t start_at_ms; /* none runs: when the next one starts */
    int caretaker;        /* the slot whose worker accepts connections for this one; -1: none */
};

/* start_at_ms: UINT64_MAX: not yet. */
void child_init(struct child *child, unsigned slot, uint64_t start_at_ms);
/* Forks; in the new process, run is called with the worker's end and its result is the exit status. False: no process
 * could be made; start_at_ms is later. */
bool child_start(struct child *child, uint64_t now_ms, int (*run)(void *owner, struct child *child, int link),
                 void *owner) MUST_CHECK;
/* Call when it has ended (status: from waitpid). Logs, and decides when the next one starts. */
void child_ended(struct child *child, uint64_t now_ms, int status);
/* Kills at once; child_ended follows after waitpid. A second call has no effect. */
void child_kill(struct child *child);
/* Kills a stuck worker; logs once. */
void child_check(struct child *child, uint64_t now_ms);
/* When child_start or child_check has something to do next. */
uint64_t child_due_ms(const struct child *child);

#endif
