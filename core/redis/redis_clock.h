/* SPDX-License-Identifier: Apache-2.0 */
/* redis_clock.h - does this machine's wall clock agree with the fleet's? All its nodes ask the same Redis for the time.
 *
 * Nothing of Stoa's order hangs on it (decision 017), but the times that people see and the ends of tokens do.
 */
#ifndef REDIS_REDIS_CLOCK_H
#define REDIS_REDIS_CLOCK_H

struct loop;
struct redis;
struct redis_clock;

enum { REDIS_CLOCK_ASK_MS = 10000, REDIS_CLOCK_DIFFERS_MS = 5000 };

/* Asks soon, and then again and again; logs when the two begin to differ, and when they agree again. */
struct redis_clock *redis_clock_new(struct loop *loop, struct redis *redis);
void redis_clock_free(struct redis_clock **clock);

#endif
