/* SPDX-License-Identifier: Apache-2.0 */
/* redis_clock.h - compares this machine's wall clock with the fleet's. All nodes ask the same Redis for the time.
 *
 * Stoa's ordering does not depend on it (decision 017), but the times that people see and the expiry of tokens do.
 */
#ifndef REDIS_REDIS_CLOCK_H
#define REDIS_REDIS_CLOCK_H

struct loop;
struct redis;
struct redis_clock;

enum { REDIS_CLOCK_ASK_MS = 10000, REDIS_CLOCK_DIFFERS_MS = 5000 };

/* Asks soon, then regularly; logs when the clocks begin to differ, and when they agree again. */
struct redis_clock *redis_clock_new(struct loop *loop, struct redis *redis);
void redis_clock_free(struct redis_clock **clock);

#endif
