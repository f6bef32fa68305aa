/* SPDX-License-Identifier: Apache-2.0 */
/* Limits the time of a turn: each stage has a time slice; the rest continues in the next turn, in order. So no client
 * waits for all work of others, and the timer that reports to the master fires in time. */
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop_internal.h"

enum { LONG_TURN_US = 100000 };

void pace_wake(struct loop *loop) {
    struct loop_pace *pace = &loop->pace;
    if (pace->turn_us == 0) pace->turn_us = pace->stage_us = pace->now_us = loop_clock_us(loop);
}

void pace_begin(struct loop *loop, const struct loop_stage *stage) {
    pace_wake(loop);
    loop->pace.stage = stage;
    loop->pace.stage_us = loop->pace.now_us;
}

bool pace_is_over(const struct loop_pace *pace, uint64_t now_us) {
    return now_us - pace->stage_us >= pace->stage->slice_us && !fault_planted("turn_without_budget");
}

bool pace_count(struct loop *loop) {
    struct loop_pace *pace = &loop->pace;
    uint64_t now_us = loop_clock_us(loop), took_us = now_us - pace->now_us;
    if (took_us > pace->longest_us) {
        pace->longest_us = took_us;
        pace->longest = pace->part ? pace->part : pace->stage->name;
    }
    pace->now_us = now_us;
    pace->part = NULL;
    return pace_is_over(pace, now_us);
}

void pace_end(struct loop *loop) {
    const struct loop_pace *pace = &loop->pace;
    if (pace->turn_us == 0) return;
    uint64_t took_us = pace->now_us - pace->turn_us;
    metric_observe_us(METRIC_LOOP_TURN, took_us);
    if (took_us >= LONG_TURN_US)
        LOG(LOG_WARNING, "loop.long_turn", LOG_NUMBER("ms", took_us / 1000), LOG_TEXT("longest", pace->longest),
            LOG_NUMBER("longest_ms", pace->longest_us / 1000));
}
