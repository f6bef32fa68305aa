/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/wheel.h"

#include <assert.h>

#include "loop/loop.h"

void wheel_init(struct wheel *wheel, uint64_t now_ms) {
    wheel->now_ms = now_ms;
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (int slot = 0; slot < WHEEL_SLOTS; slot++) list_init(&wheel->slots[level][slot]);
    }
}

static unsigned slot_of(uint64_t ms, int level) {
    return ms >> (level * WHEEL_BITS) & (WHEEL_SLOTS - 1);
}

void wheel_insert(struct wheel *wheel, struct loop_timer *timer) {
    assert(timer->due_ms > wheel->now_ms);
    int level = (63 - __builtin_clzll(timer->due_ms ^ wheel->now_ms)) / WHEEL_BITS;
    unsigned slot = slot_of(timer->due_ms, level);
    list_append(&wheel->slots[level][slot], &timer->link);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

/* The first slot in time that holds timers. All slots of a level are in the future, and before those of the next. */
static bool first_slot(struct wheel *wheel, int *level_r, unsigned *slot_r) {
    for (int level = 0; level < WHEEL_LEVELS; level++) {
        while (wheel->occupied[level]) {
            unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
            *level_r = level;
            *slot_r = slot;
            if (!list_empty(&wheel->slots[level][slot])) return true;
            wheel->occupied[level] &= wheel->occupied[level] - 1;
        }
    }
    return false;
}

/* When the wheel's time enters the slot. */
static uint64_t start_of(const struct wheel *wheel, int level, unsigned slot) {
    int shift = level * WHEEL_BITS;
    uint64_t above = shift + WHEEL_BITS < 64 ? wheel->now_ms >> (shift + WHEEL_BITS) << (shift + WHEEL_BITS) : 0;
    return above | (uint64_t)slot << shift;
}

bool wheel_next(struct wheel *wheel, uint64_t *at_ms_r) {
    int level;
    unsigned slot;
    if (!first_slot(wheel, &level, &slot)) return false;
    *at_ms_r = start_of(wheel, level, slot);
    return true;
}

void wheel_advance(struct wheel *wheel, uint64_t now_ms, struct list *due) {
    int level;
    unsigned slot;
    while (first_slot(wheel, &level, &slot) && start_of(wheel, level, slot) <= now_ms) {
        struct list *timers = &wheel->slots[level][slot], *link;
        wheel->now_ms = start_of(wheel, level, slot);
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
        while ((link = list_pop(timers))) {
            struct loop_timer *timer = CONTAINER(link, struct loop_timer, link);
            if (timer->due_ms == wheel->now_ms)
                list_append(due, link);
            else
                wheel_insert(wheel, timer);
        }
    }
    if (wheel->now_ms < now_ms) wheel->now_ms = now_ms;
}
