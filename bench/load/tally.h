/* SPDX-License-Identifier: Apache-2.0 */
/* tally.h - the memory that the processes of a load share: what to do now, what has been done. One process writes each
 * counter; all may read it. */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include <stdatomic.h>
#include <stdint.h>

#include "load/histogram.h"
#include "load/plan.h"

enum count {
    COUNT_READY,      /* clients that are connected and have joined, now */
    COUNT_FAILED,     /* connects that failed */
    COUNT_CLOSED,     /* connections that the server closed */
    COUNT_SENT,       /* messages */
    COUNT_ANSWERED,   /* positive acknowledgements */
    COUNT_REFUSED,    /* negative acknowledgements */
    COUNT_DELIVERED,  /* messages that arrived, once per receiver */
    COUNT_LOST,       /* missing numbers */
    COUNT_DISORDERED, /* numbers that came again, or after a greater one */
    COUNT_BROKEN,     /* invalid frames or packets */
    COUNTS,
};

enum latency { LATENCY_CONNECT, LATENCY_DELIVERY, LATENCY_ANSWER, LATENCIES };

/* Of one process. */
struct tally {
    _Atomic uint64_t counts[COUNTS];
    struct histogram latencies[LATENCIES];
};

enum phase {
    PHASE_CONNECT, /* connect until `target` clients of all processes are connected */
    PHASE_DROP,    /* end all connections */
    PHASE_SEND,    /* publish as step `step` says */
    PHASE_REST,    /* only read */
    PHASE_CHECK,   /* count what is missing, once; later arrivals do not count */
    PHASE_END,
};

struct board {
    _Atomic int phase;
    _Atomic unsigned target, step;
    _Atomic unsigned turns; /* how often phase was set; each process notes the last one that it saw in `seen` */
    _Atomic unsigned seen[PLAN_PROCESSES_MAX];
    _Atomic uint64_t start_ns;   /* of PHASE_SEND: when the first message is due */
    _Atomic uint64_t measure_ns; /* messages due before this are not timed */
    struct tally tallies[PLAN_PROCESSES_MAX];
    _Atomic uint32_t sent[]; /* the last sequence number of each publisher */
};

/* Shared with all processes that are forked later. Ends the process if there is no memory. */
struct board *board_new(const struct plan *plan);

/* Of all processes. */
uint64_t board_count(const struct board *board, const struct plan *plan, enum count count);
void board_latency(const struct board *board, const struct plan *plan, enum latency latency,
                   struct histogram *histogram_r);
/* Call only while no process writes. */
void board_forget_latencies(struct board *board, const struct plan *plan);

#endif
