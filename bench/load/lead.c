/* SPDX-License-Identifier: Apache-2.0 */
#include "load/lead.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load/crew.h"
#include "load/dialect.h"
#include "load/process.h"

enum { POLL_US = 5000, SETTLE_MS = 300, START_MS = 20, SURPLUS_MS = 50 };
#define MS_NS UINT64_C(1000000)

struct lead {
    const struct plan *plan;
    struct board *board;
    const pid_t *crews;
};

static uint64_t server_cpu_ns(const struct lead *lead) {
    return process_cpu_ns(lead->plan->pids, lead->plan->pids_len);
}

static uint64_t server_rss_bytes(const struct lead *lead) {
    return process_rss_bytes(lead->plan->pids, lead->plan->pids_len);
}

static uint64_t count_of(const struct lead *lead, enum count count) {
    return board_count(lead->board, lead->plan, count);
}

/* Sleeps; no crew may die meanwhile. */
static void nap(void) {
    int status;
    usleep(POLL_US);
    if (waitpid(-1, &status, WNOHANG) > 0) {
        fprintf(stderr, "bench_load: a process of the load ended early, status %d\n", status);
        exit(1);
    }
}

/* Sleeps until then: the most resident memory seen meanwhile. */
static uint64_t sleep_until(const struct lead *lead, uint64_t end_ns) {
    uint64_t peak = 0;
    while (crew_clock_ns() < end_ns) {
        uint64_t rss = server_rss_bytes(lead);
        if (rss > peak) peak = rss;
        nap();
    }
    return peak;
}

static unsigned announce_phase(const struct lead *lead, enum phase phase) {
    atomic_store(&lead->board->phase, (int)phase);
    return atomic_fetch_add(&lead->board->turns, 1) + 1;
}

/* When this returns, all crews have seen the phase. */
static void set_phase(const struct lead *lead, enum phase phase) {
    unsigned turns = announce_phase(lead, phase);
    for (unsigned i = 0; i < lead->plan->processes; i++)
        while (atomic_load(&lead->board->seen[i]) != turns) nap();
}

static struct quantiles quantiles_of(const struct lead *lead, enum latency latency) {
    struct histogram histogram;
    board_latency(lead->board, lead->plan, latency, &histogram);
    return (struct quantiles){.count = histogram.count,
                              .p50_ns = histogram_quantile_ns(&histogram, 0.5),
                              .p90_ns = histogram_quantile_ns(&histogram, 0.9),
                              .p99_ns = histogram_quantile_ns(&histogram, 0.99),
                              .p999_ns = histogram_quantile_ns(&histogram, 0.999),
                              .max_ns = histogram.max_ns};
}

/* Waits until `target` clients are connected or have failed. False: the plan's time is over, or some failed. */
static bool connect_to(const struct lead *lead, unsigned target, struct connect_result *result) {
    uint64_t start = crew_clock_ns(), cpu = server_cpu_ns(lead), before = count_of(lead, COUNT_READY);
    uint64_t failed = count_of(lead, COUNT_FAILED), closed = count_of(lead, COUNT_CLOSED), ready;
    atomic_store(&lead->board->target, target);
    do {
        nap();
        ready = count_of(lead, COUNT_READY);
        result->failed = (unsigned)(count_of(lead, COUNT_FAILED) - failed);
        result->closed = (unsigned)(count_of(lead, COUNT_CLOSED) - closed);
    } while (ready + result->failed + result->closed < target &&
             crew_clock_ns() - start < lead->plan->connect_ms * MS_NS);
    result->clients = (unsigned)(ready - before);
    result->seconds = (double)(crew_clock_ns() - start) / 1e9;
    result->cpu_s = (double)(server_cpu_ns(lead) - cpu) / 1e9;
    result->latency = quantiles_of(lead, LATENCY_CONNECT);
    return ready == target;
}

static bool connect_all(const struct lead *lead, struct result *result) {
    const struct plan *plan = lead->plan;
    struct connect_result warm = {0};
    if (plan->clients.warm > 0 && !connect_to(lead, plan->clients.warm, &warm)) return false;
    if (plan->clients.warm > 0) sleep_until(lead, crew_clock_ns() + plan->idle_ms * MS_NS);
    result->rss_warm_bytes = server_rss_bytes(lead);
    set_phase(lead, PHASE_CONNECT);
    board_forget_latencies(lead->board, plan);
    if (!connect_to(lead, plan->clients.count, &result->connect)) return false;
    sleep_until(lead, crew_clock_ns() + SETTLE_MS * MS_NS); /* for the server's work on the last clients */
    uint64_t cpu = server_cpu_ns(lead);
    sleep_until(lead, crew_clock_ns() + plan->idle_ms * MS_NS);
    result->idle_cpu_s = (double)(server_cpu_ns(lead) - cpu) / 1e9;
    result->rss_connected_bytes = server_rss_bytes(lead);
    for (unsigned i = 0; i < plan->clients.storms; i++) {
        atomic_store(&lead->board->target, 0);
        set_phase(lead, PHASE_DROP);
        board_forget_latencies(lead->board, plan);
        result->storms_len++;
        if (!connect_to(lead, plan->clients.count, &result->storms[i])) return false;
    }
    return true;
}

/* Has everything arrived: each message at each receiver, each answer? */
static bool complete(const struct lead *lead) {
    const struct plan *plan = lead->plan;
    uint64_t sent = count_of(lead, COUNT_SENT), receivers = plan_members(plan) - plan->clients.slow;
    uint64_t arrived = count_of(lead, COUNT_DELIVERED) + count_of(lead, COUNT_LOST);
    uint64_t answered = count_of(lead, COUNT_ANSWERED) + count_of(lead, COUNT_REFUSED);
    return arrived >= sent * receivers + count_of(lead, COUNT_DISORDERED) &&
           (!plan->dialect->answers || answered >= sent);
}

struct look {
    uint64_t now_ns, server_cpu_ns, load_cpu_ns, counts[COUNTS];
};

static struct look look(const struct lead *lead) {
    struct look look = {.server_cpu_ns = server_cpu_ns(lead),
                        .load_cpu_ns = process_cpu_ns(lead->crews, lead->plan->processes)};
    for (enum count count = 0; count < COUNTS; count++) look.counts[count] = count_of(lead, count);
    look.now_ns = crew_clock_ns();
    return look;
}

static void fill(struct step_result *result, const struct look *start, const struct look *from, const struct look *to,
                 const struct look *end) {
    result->began_s = (double)from->now_ns / 1e9;
    result->seconds = (double)(to->now_ns - from->now_ns) / 1e9;
    result->server_cpu_s = (double)(to->server_cpu_ns - from->server_cpu_ns) / 1e9;
    result->load_cpu_s = (double)(to->load_cpu_ns - from->load_cpu_ns) / 1e9;
    result->window_sent = to->counts[COUNT_SENT] - from->counts[COUNT_SENT];
    result->window_delivered = to->counts[COUNT_DELIVERED] - from->counts[COUNT_DELIVERED];
    const struct {
        enum count count;
        uint64_t *value;
    } whole[] = {{COUNT_SENT, &result->sent},         {COUNT_DELIVERED, &result->delivered},
                 {COUNT_LOST, &result->lost},         {COUNT_DISORDERED, &result->disordered},
                 {COUNT_ANSWERED, &result->answered}, {COUNT_REFUSED, &result->refused},
                 {COUNT_CLOSED, &result->closed},     {COUNT_BROKEN, &result->broken}};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        *whole[i].value = end->counts[whole[i].count] - start->counts[whole[i].count];
}

/* False: not everything arrived in time, so that nothing can be measured after it. */
static bool run_step(const struct lead *lead, unsigned number, struct step_result *result) {
    const struct plan *plan = lead->plan;
    board_forget_latencies(lead->board, plan);
    *result = (struct step_result){.step = &plan->steps[number], .rss_before_bytes = server_rss_bytes(lead)};
    uint64_t start_ns = crew_clock_ns() + START_MS * MS_NS, measure_ns = start_ns + plan->warmup_ms * MS_NS;
    atomic_store(&lead->board->start_ns, start_ns);
    atomic_store(&lead->board->measure_ns, measure_ns);
    atomic_store(&lead->board->step, number);
    struct look start = look(lead);
    if (plan->tell) fprintf(stderr, "bench_load: step %u\n", number);
    set_phase(lead, PHASE_SEND);
    uint64_t peak = sleep_until(lead, measure_ns);
    struct look from = look(lead);
    result->rss_peak_bytes = sleep_until(lead, measure_ns + plan->steps[number].measure_ms * MS_NS);
    struct look to = look(lead);
    set_phase(lead, PHASE_REST);
    uint64_t deadline = crew_clock_ns() + plan->drain_ms * MS_NS;
    while (!complete(lead) && crew_clock_ns() < deadline) nap();
    result->complete = complete(lead);
    sleep_until(lead, crew_clock_ns() + SURPLUS_MS * MS_NS); /* duplicates arrive late */
    set_phase(lead, PHASE_CHECK);
    struct look end = look(lead);
    set_phase(lead, PHASE_REST); /* all must count again before the first one sends */
    fill(result, &start, &from, &to, &end);
    if (peak > result->rss_peak_bytes) result->rss_peak_bytes = peak;
    result->delivery = quantiles_of(lead, LATENCY_DELIVERY);
    result->answer = quantiles_of(lead, LATENCY_ANSWER);
    return result->complete;
}

bool lead_run(const struct plan *plan, struct board *board, const pid_t *crews, struct result *result) {
    struct lead lead = {plan, board, crews};
    bool connected = connect_all(&lead, result);
    if (connected) sleep_until(&lead, crew_clock_ns() + SETTLE_MS * MS_NS);
    for (bool good = connected; good && result->steps_len < plan->steps_len; result->steps_len++)
        good = run_step(&lead, result->steps_len, &result->steps[result->steps_len]);
    announce_phase(&lead, PHASE_END);
    return connected;
}
