/* SPDX-License-Identifier: Apache-2.0 */
/* wheel.h - a hierarchical timing wheel: 1 ms ticks, constant-time insertion and removal, no horizon.
 *
 * Level n has 64 slots of 64^n ms. A timer sits on the level of the highest group of six bits in which its due time and
 * the wheel's time differ; when the wheel's time enters a slot, its timers move to lower levels or are due. The wheel
 * knows only its own time: it never reads a clock and calls nobody.
 */
#ifndef LOOP_WHEEL_H
#define LOOP_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct loop_timer;

enum { WHEEL_BITS = 6, WHEEL_SLOTS = 1 << WHEEL_BITS, WHEEL_LEVELS = 11 };

struct wheel {
    uint64_t now_ms;
    /* A bit for each slot that may hold timers: removing a timer leaves it, wheel_next finds out. */
    uint64_t occupied[WHEEL_LEVELS];
    struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);
/* timer->due_ms lies in the wheel's future. Taking timer->link out of its list removes it. */
void wheel_insert(struct wheel *wheel, struct loop_timer *timer);
/* When wheel_advance has something to do, without looking at timers; no timer is due earlier. False: never. */
bool wheel_next(struct wheel *wheel, uint64_t *at_ms_r);
/* Moves the timers that are due by now_ms to the end of due, in the order of their times. */
void wheel_advance(struct wheel *wheel, uint64_t now_ms, struct list *due);

#endif
