/* SPDX-License-Identifier: Apache-2.0 */
/* lead.h - the process that leads a load: sets the phases on the board, samples the server's processes before and
 * after, and collects the results. */
#ifndef LOAD_LEAD_H
#define LOAD_LEAD_H

#include "load/plan.h"
#include "load/tally.h"

struct quantiles {
    uint64_t count, p50_ns, p90_ns, p99_ns, p999_ns, max_ns;
};

/* The result of connecting all clients once. */
struct connect_result {
    unsigned clients, failed, closed;
    double seconds, cpu_s;
    struct quantiles latency;
};

struct step_result {
    const struct step *step;
    double began_s, seconds;                    /* of the measured window; began_s on the monotonic clock */
    uint64_t window_sent, window_delivered;     /* in the window */
    uint64_t sent, delivered, lost, disordered; /* in the whole step, including what arrived after its end */
    uint64_t answered, refused, closed, broken;
    bool complete;                   /* all arrived in time; false: the server did not keep up, or lost something */
    double server_cpu_s, load_cpu_s; /* in the window */
    uint64_t rss_before_bytes, rss_peak_bytes;
    struct quantiles delivery, answer;
};

struct result {
    struct connect_result connect, storms[PLAN_STORMS_MAX]; /* connect: those after the warm-up */
    unsigned storms_len;
    uint64_t rss_warm_bytes, rss_connected_bytes;
    double idle_cpu_s; /* while all were connected and nobody sent anything */
    struct step_result steps[PLAN_STEPS_MAX];
    unsigned steps_len; /* fewer than planned if a step did not end in time */
};

/* False: not all clients connected in time; the result has what was measured until then. */
bool lead_run(const struct plan *plan, struct board *board, const pid_t *crews, struct result *result);

#endif
