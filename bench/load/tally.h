/* SPDX-License-Identifier: Apache-2.0 */
/* tally.h - what the processes of a load tell each other, in memory that they share: what is to be done now, what has
 * been done. One process writes each counter; all may read it. */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "load/histogram.h"
#include "load/plan.h"

enum count {
    COUNT_READY,      /* clients that are connected and have joined, now */
    COUNT_FAILED,     /* connects that came to nothing */
    COUNT_CLOSED,     /* connections that ended though nobody here wished it */
    COUNT_SENT,       /* messages */
    COUNT_ANSWERED,   /* acknowledgements that say yes */
    COUNT_REFUSED,    /* acknowledgements that say no */
    COUNT_DELIVERED,  /* messages that arrived, each at each receiver */
    COUNT_LOST,       /* numbers that were left out */
    COUNT_DISORDERED, /* numbers that came again, or after a greater one */
    COUNT_BROKEN,     /* frames or packets that no server should send */
    COUNTS,
};

enum latency { LATENCY_CONNECT, LATENCY_DELIVERY, LATENCY_ANSWER, LATENCIES };

/* Of one process. */
struct tally {
    _Atomic uint64_t counts[COUNTS];
    struct histogram latencies[LATENCIES];
};

enum phase {
    PHASE_CONNECT, /* have `target` of the clients, of all processes, connected */
    PHASE_DROP,    /* end all connections */
    PHASE_SEND,    /* publish as step `step` says */
    PHASE_REST,    /* read only */
    PHASE_CHECK,   /* count what is missing, once; what comes now counts no more */
    PHASE_END,
};

struct board {
    _Atomic int phase;
    _Atomic unsigned target, step;
    _Atomic unsigned turns; /* how often phase has been set: a process that has seen it all says so in `seen` */
    _Atomic unsigned seen[PLAN_PROCESSES_MAX];
    _Atomic uint64_t start_ns;   /* of PHASE_SEND: when the first message is due */
    _Atomic uint64_t measure_ns; /* what was due before is not timed */
    struct tally tallies[PLAN_PROCESSES_MAX];
    _Atomic uint32_t sent[]; /* the last sequence number of each publisher */
};

/* Shared with all processes that are forked from now on. Ends the process when there is no memory. */
struct board *board_new(const struct plan *plan);

/* Of all processes. */
uint64_t board_count(const struct board *board, const struct plan *plan, enum count count);
void board_latency(const struct board *board, const struct plan *plan, enum latency latency,
                   struct histogram *histogram_r);
/* Only while no process writes. */
void board_forget_latencies(struct board *board, const struct plan *plan);

#endif
