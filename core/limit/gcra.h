/* SPDX-License-Identifier: Apache-2.0 */
/* gcra.h - rate limits by the generic cell rate algorithm (ITU-T I.371): one timestamp a key, without windows and their
 * edges.
 *
 * A check over several limits is all or nothing: if one refuses, none is charged.
 */
#ifndef LIMIT_GCRA_H
#define LIMIT_GCRA_H

#include <stdint.h>

#include "base/slice.h"

struct limiter;
struct loop;

enum { LIMIT_PARTS = 1000000 /* of a unit, in which costs are counted */ };

/* count units a period, evenly: at most count at once, and in any interval at most count plus what is regained in it
 * (count / period_ms a millisecond). count 0: nothing passes. */
struct rate {
    unsigned count;
    uint64_t period_ms;
};
/* Where several workers share limits (fleet_limiter.h): what applies while Redis is unavailable. */
enum limit_away {
    LIMIT_AWAY_SHARE, /* this worker's fraction of the limit */
    LIMIT_AWAY_OPEN,  /* the whole limit, counted by this worker alone */
    LIMIT_AWAY_CLOSED /* nothing passes */
};
struct limit_ask {
    struct slice name, key; /* the limit and its subject ("user_messages", "alice"); an empty key: one limit for all */
    struct rate rate;
    double cost;         /* > 0, usually 1; kept to a millionth; more than rate.count counts as rate.count */
    bool is_worker_only; /* each worker counts for itself */
    enum limit_away away;
};
struct limit_answer {
    bool allowed;
    size_t refused_by;       /* index of the limit with the longest wait */
    uint64_t retry_after_ms; /* > 0 when refused: until the same ask would pass */
    unsigned remaining;      /* whole units of the tightest, after this one */
};

/* The ask's cost in parts. */
uint64_t limit_cost_parts(const struct limit_ask *ask);

/* At most max_bytes of state; the keys nearest to full allowance are dropped first. Keys with full allowance expire by
 * themselves. */
struct limiter *limiter_new(struct loop *loop, size_t max_bytes);
void limiter_free(struct limiter **limiter);
/* Charges all or none. A limit whose rate changed keeps the spent share (no free burst after a reload). */
struct limit_answer limiter_take(struct limiter *limiter, const struct limit_ask *asks, size_t len);
/* Gives back what an allowed take charged. */
void limiter_refund(struct limiter *limiter, const struct limit_ask *asks, size_t len);
/* The same as limiter_take without charging. */
struct limit_answer limiter_peek(struct limiter *limiter, const struct limit_ask *asks, size_t len);

#endif
