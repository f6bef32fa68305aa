/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h - the event loop of a worker: one libevent base, timers on a timing wheel, work for later.
 *
 * Order within a turn: ready descriptors and timers → posted tasks → flush tasks → reap tasks. No callback may block or
 * take a lock. Each stage except reap has 10 ms a turn; the rest waits for the next turn. The clock is cached for a
 * turn. A loop for tests has a clock that only loop_advance moves.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct loop;
struct event_base;

/* A unit of work, embedded in its owner. {0} is an idle one after loop_task_init. */
struct loop_task {
    struct list link;
    void (*run)(struct loop_task *task);
};

/* A one-shot timer on the wheel (1 ms), embedded in its owner; cheap enough for one a connection. */
struct loop_timer {
    struct list link;
    struct loop *loop;
    uint64_t due_ms;
    void (*fire)(struct loop_timer *timer);
};

struct loop *loop_new(void);
/* For tests: time stands still until loop_advance. */
struct loop *loop_new_with_fake_clock(void);
/* Not within a turn. All descriptors, timers, tasks and libuv handles must be removed or closed before. */
void loop_free(struct loop **loop);
/* Runs until loop_stop; finishes the current turn first. A fake clock moves to the next timer when nothing is ready. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* One turn, without waiting; false: nothing was ready. */
bool loop_turn(struct loop *loop);
/* Fake clock only: moves the time in steps, with turns in between, so that each timer fires at its due time. */
void loop_advance(struct loop *loop, uint64_t ms);

/* True: the current stage has used up its time; postpone work that can wait. Reads the clock. */
bool loop_overdue(const struct loop *loop);
/* Names what the current callback does, for the log line of turns over 100 ms; the last call counts. part: a constant.
 */
void loop_part(struct loop *loop, const char *part);

/* Monotonic, cached for this turn. */
uint64_t loop_now_ms(const struct loop *loop);
/* Monotonic, read now. */
uint64_t loop_clock_us(const struct loop *loop);
/* Wall clock (Unix time), cached for this turn. */
uint64_t loop_wall_ms(const struct loop *loop);

void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task));
bool loop_task_pending(const struct loop_task *task);
void loop_task_cancel(struct loop_task *task);
/* Queuing a queued task again has no effect. post: after ready descriptors and timers, before flush tasks; never within
 * the call. Tasks posted by a posted task run in the next turn. flush: at the end of this turn (outboxes). reap: at the
 * very end of this turn (frees). */
void loop_post(struct loop *loop, struct loop_task *task);
void loop_flush(struct loop *loop, struct loop_task *task);
void loop_reap(struct loop *loop, struct loop_task *task);

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*fire)(struct loop_timer *timer));
/* Arms, or moves an armed one. At least 1 ms. */
void loop_timer_set(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_cancel(struct loop_timer *timer);
bool loop_timer_pending(const struct loop_timer *timer);

/* For core/net only: the base for its listener. */
struct event_base *loop_base(struct loop *loop);

#endif
