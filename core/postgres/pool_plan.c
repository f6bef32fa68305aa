/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres/pool_plan.h"

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MOST_MS = 2000, BACKOFF_DOUBLINGS = 5 };

static unsigned least(unsigned a, unsigned b) {
    return a < b ? a : b;
}

unsigned pool_plan_open(const struct pool_limits *limits, const struct pool_load *load) {
    unsigned most = limits->max;
    if (load->waiting > 0 && load->waited_ms >= limits->reserve_after_ms) most += limits->reserve;
    if (load->backing_off || load->connections >= most) return 0;
    unsigned wanted = load->connections < limits->min ? limits->min - load->connections : 0;
    if (load->is_failing && load->connections == 0 && wanted == 0) wanted = 1; /* to see when it is back */
    unsigned served = load->connecting + load->idle;                           /* by what is there or on its way */
    if (load->waiting > served && load->waiting - served > wanted) wanted = load->waiting - served;
    return least(least(wanted, most - load->connections), load->budget);
}

bool pool_plan_can_spare(const struct pool_limits *limits, const struct pool_load *load) {
    unsigned more = load->connections < limits->max ? limits->max - load->connections : 0;
    return load->ready + (load->is_failing ? 0 : least(more, load->budget)) >= 2;
}

bool pool_plan_close(const struct pool_limits *limits, const struct pool_load *load, uint64_t idle_ms, uint64_t age_ms,
                     uint64_t lifetime_ms) {
    if (age_ms >= lifetime_ms) return true;
    return load->connections > limits->min && idle_ms >= limits->idle_ms;
}

unsigned pool_plan_backoff_ms(unsigned failures, uint32_t random) {
    unsigned doublings = least(failures > 0 ? failures - 1 : 0, BACKOFF_DOUBLINGS);
    unsigned full = least(BACKOFF_FIRST_MS << doublings, BACKOFF_MOST_MS);
    return full / 2 + random % (full / 2);
}

uint64_t pool_plan_lifetime_ms(uint64_t lifetime_ms, uint32_t random) {
    uint64_t tenth = lifetime_ms / 10 + 1;
    return lifetime_ms - tenth + random % (2 * tenth);
}
