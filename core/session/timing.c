/* SPDX-License-Identifier: Apache-2.0 */
#include "session/timing.h"

#include <string.h>

/* Time until the deadline; 0 or less: it has passed. */
static int32_t left_ms(const struct session_timing *timing, int deadline, uint64_t now) {
    return (int32_t)(timing->due_ms[deadline] - (uint32_t)now);
}

void timing_arm(struct session_timing *timing) {
    uint64_t now = loop_now_ms(timing->timer.loop);
    int32_t first = INT32_MAX;
    for (int i = 0; i < DEADLINES; i++) {
        if (timing->due_ms[i] && left_ms(timing, i, now) < first) first = left_ms(timing, i, now);
    }
    if (first == INT32_MAX)
        loop_timer_cancel(&timing->timer);
    else
        loop_timer_set(&timing->timer, first > 0 ? (uint64_t)first : 1);
}

void timing_set(struct session_timing *timing, enum session_deadline deadline, uint64_t delay_ms) {
    uint64_t now = loop_now_ms(timing->timer.loop);
    uint32_t due = (uint32_t)(now + (delay_ms < DEADLINE_MAX_MS ? delay_ms : DEADLINE_MAX_MS));
    timing->due_ms[deadline] = due ? due : 1;
    timing_arm(timing);
}

void timing_clear(struct session_timing *timing, enum session_deadline deadline) {
    if (!timing->due_ms[deadline]) return;
    timing->due_ms[deadline] = 0;
    timing_arm(timing);
}

void timing_clear_all(struct session_timing *timing) {
    memset(timing->due_ms, 0, sizeof timing->due_ms);
    loop_timer_cancel(&timing->timer);
}

bool timing_take_due(struct session_timing *timing, enum session_deadline *deadline) {
    uint64_t now = loop_now_ms(timing->timer.loop);
    for (; *deadline < DEADLINES; (*deadline)++) {
        if (!timing->due_ms[*deadline] || left_ms(timing, (int)*deadline, now) > 0) continue;
        timing->due_ms[*deadline] = 0;
        return true;
    }
    return false;
}
