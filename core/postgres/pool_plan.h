/* SPDX-License-Identifier: Apache-2.0 */
/* pool_plan.h - how many connections a pool should have: the rules, without the connections. Pure. */
#ifndef POSTGRES_POOL_PLAN_H
#define POSTGRES_POOL_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct pool_limits {
    unsigned min, max;         /* connections */
    unsigned reserve;          /* beyond max, while queries have waited for reserve_after_ms */
    unsigned depth;            /* queries that share a connection */
    unsigned reserve_after_ms; /* 0: at once */
    uint64_t idle_ms, lifetime_ms;
};

/* What there is. */
struct pool_load {
    unsigned connections;             /* those that connect included */
    unsigned connecting, ready, idle; /* ready: they take queries; idle: of those, the ones that have none */
    unsigned waiting;                 /* queries without a connection */
    uint64_t waited_ms;               /* of the oldest */
    unsigned budget;                  /* connections that may still be opened, of all pools */
    bool is_failing;                  /* the last attempt failed */
    bool backing_off;                 /* and the next one is not due */
};

/* Connections to open now. */
unsigned pool_plan_open(const struct pool_limits *limits, const struct pool_load *load);
/* If one connection is held for long, is another left for the other queries? */
bool pool_plan_can_spare(const struct pool_limits *limits, const struct pool_load *load);
/* Should a connection without queries be closed? idle_ms: since its last; lifetime_ms: of it, jitter included. */
bool pool_plan_close(const struct pool_limits *limits, const struct pool_load *load, uint64_t idle_ms, uint64_t age_ms,
                     uint64_t lifetime_ms);
/* Until the next attempt after so many failures in a row; random: any number. */
unsigned pool_plan_backoff_ms(unsigned failures, uint32_t random);
/* lifetime_ms give or take a tenth, so that connections made at once do not end at once. */
uint64_t pool_plan_lifetime_ms(uint64_t lifetime_ms, uint32_t random);

#endif
