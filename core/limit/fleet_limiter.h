/* SPDX-License-Identifier: Apache-2.0 */
/* fleet_limiter.h - limits that several workers share.
 *
 * This worker's own count is checked first: what it refuses, all workers together would refuse too, and a flood does
 * not reach Redis. Then Redis is asked, where each limit is one timestamp (GCRA, as in gcra.h) under stoa:l:NAME:{KEY}.
 * If one limit refuses, the others are refunded. A limit for all users is borrowed in portions for a short time, so
 * that not every message asks the same key. Such a limit may be exceeded by one portion a worker.
 */
#ifndef LIMIT_FLEET_LIMITER_H
#define LIMIT_FLEET_LIMITER_H

#include "base/memory.h"
#include "limit/gcra.h"

struct fleet_limiter;
struct redis;

enum { FLEET_LIMIT_DEADLINE_MS = 300, FLEET_LIMIT_WAITING_MAX = 10000, FLEET_QUOTA_MS = 500 };

/* Embedded in the asker, which sets done and keeps the call until done is called. */
struct fleet_limit_call {
    void (*done)(struct fleet_limit_call *call, const struct limit_answer *answer); /* once, later, from the loop */
};

/* redis NULL: there is no other worker. workers: returns their current number, at least 1. All arguments must outlive
 * it. */
struct fleet_limiter *fleet_limiter_new(struct loop *loop, struct limiter *limiter, struct redis *redis,
                                        unsigned (*workers)(void *owner), void *owner);
/* Calls under way are refused. */
void fleet_limiter_free(struct fleet_limiter **fleet);
/* Charges all asks or none; without charge, only checks whether it could. True: *answer_r is the answer. False:
 * call->done will get it. Asks are copied. */
bool fleet_limiter_take(struct fleet_limiter *fleet, struct fleet_limit_call *call, const struct limit_ask *asks,
                        size_t len, bool charge, struct limit_answer *answer_r) MUST_CHECK;
/* Gives back what an allowed take charged. */
void fleet_limiter_refund(struct fleet_limiter *fleet, const struct limit_ask *asks, size_t len);

#endif
