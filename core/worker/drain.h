/* SPDX-License-Identifier: Apache-2.0 */
/* drain.h - how a worker ends well: tell, finish, close, flush; each step when the one before is through, and all of it
 * before the deadline.
 *
 * Clients' transports are closed (1012), never their namespaces: the client then comes back by itself.
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
/* Begins, at once or after drain.notice_s; again: shorter, if the time is. */
void drain_begin(struct drain *drain, uint64_t timeout_ms, uint64_t notice_ms);
/* For the rest of the end: the store's last answers. */
unsigned drain_left_ms(const struct drain *drain);
void drain_done(struct drain *drain);

#endif
