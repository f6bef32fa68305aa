/* SPDX-License-Identifier: Apache-2.0 */
/* drain.h - a worker's graceful end: tell, finish, close, flush. Each step begins when the previous one is done; all
 * end before the deadline.
 *
 * Closes clients' transports (1012), never their namespaces, so that clients reconnect by themselves.
 */
#ifndef WORKER_DRAIN_H
#define WORKER_DRAIN_H

#include "loop/loop.h"

struct worker;

struct drain_events {
    void (*accept_no_more)(void *owner);
    void (*over)(void *owner); /* once, when nothing is left or the time is up */
};

struct drain {
    struct worker *worker;
    struct loop_timer timer;
    enum { DRAIN_NO, DRAIN_NOTICE, DRAIN_FINISH, DRAIN_FLUSH, DRAIN_OVER } state;
    uint64_t deadline_ms, accept_until_ms, flush_until_ms;
    const struct drain_events *events;
    void *owner;
};

void drain_init(struct drain *drain, struct worker *worker, const struct drain_events *events, void *owner);
/* Begins at once or after notice_ms. A second call can only shorten the timeout. */
void drain_begin(struct drain *drain, uint64_t timeout_ms, uint64_t notice_ms);
/* Time left for the store's last answers. */
unsigned drain_left_ms(const struct drain *drain);
void drain_done(struct drain *drain);

#endif
