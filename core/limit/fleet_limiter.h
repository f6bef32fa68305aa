/* SPDX-License-Identifier: Apache-2.0 */
/* fleet_limiter.h - limits that several workers share.
 *
 * This worker's own count is asked first: what it refuses, all of them together would refuse too, and a flood does not
 * reach Redis. Then Redis, where each limit is one point in time (GCRA, as in gcra.h) under stoa:l:NAME:{KEY}. What one
 * limit refuses is given back to the others. A limit of everybody is borrowed in portions for a moment, so that not
 * every message asks the same key; it may be passed by a portion a worker.
 */
#ifndef LIMIT_FLEET_LIMITER_H
#define LIMIT_FLEET_LIMITER_H

#include "base/memory.h"
#include "limit/gcra.h"

struct fleet_limiter;
struct redis;

enum { FLEET_LIMIT_DEADLINE_MS = 300, FLEET_LIMIT_WAITING_MAX = 10000, FLEET_QUOTA_MS = 500 };

/* Embedded in the asker, who sets done and keeps it until then. */
struct fleet_limit_call {
    void (*done)(struct fleet_limit_call *call, const struct limit_answer *answer); /* once, later, from the loop */
};

/* redis NULL: this worker is alone. workers: how many there are now, at least 1. All outlive it. */
struct fleet_limiter *fleet_limiter_new(struct loop *loop, struct limiter *limiter, struct redis *redis,
                                        unsigned (*workers)(void *owner), void *owner);
/* Calls under way are refused. */
void fleet_limiter_free(struct fleet_limiter **fleet);
/* Charges all (or, without charge, looks whether it could) or none. True: *answer_r is the answer; false: call->done
 * will bring it. Asks are copied. */
bool fleet_limiter_take(struct fleet_limiter *fleet, struct fleet_limit_call *call, const struct limit_ask *asks,
                        size_t len, bool charge, struct limit_answer *answer_r) MUST_CHECK;
/* Gives back what an allowed take charged. */
void fleet_limiter_refund(struct fleet_limiter *fleet, const struct limit_ask *asks, size_t len);

#endif
