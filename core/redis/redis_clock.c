/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/redis_clock.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "redis/redis.h"

enum { FIRST_MS = 1000 };

struct redis_clock {
    struct loop *loop;
    struct redis *redis;
    struct redis_call call;
    struct loop_timer ask;
    uint64_t asked_ms; /* wall clock */
    bool differs;
};

static int64_t number_of(struct slice text) {
    char digits[24];
    size_t len = text.len < sizeof digits ? text.len : sizeof digits - 1;
    memcpy(digits, text.ptr, len);
    digits[len] = '\0';
    return strtoll(digits, NULL, 10);
}

static void judge(struct redis_clock *clock, int64_t ahead_ms) {
    bool differs = llabs(ahead_ms) > REDIS_CLOCK_DIFFERS_MS;
    if (differs == clock->differs) return;
    clock->differs = differs;
    if (differs)
        LOG_ALWAYS(LOG_WARNING, "clock.differs", LOG_TEXT("from", "redis"), LOG_NUMBER("ahead_ms", ahead_ms),
                   LOG_TEXT("advice", "NTP on all machines of the fleet"));
    else
        LOG_ALWAYS(LOG_INFO, "clock.agrees", LOG_TEXT("from", "redis"), LOG_NUMBER("ahead_ms", ahead_ms));
}

/* [seconds, microseconds], read between the question and the answer. */
static void answered(struct redis_call *call, const struct redis_answer *answer) {
    struct redis_clock *clock = CONTAINER(call, struct redis_clock, call);
    const struct redis_value *value = answer->value;
    if (answer->status != REDIS_DONE || value->type != REDIS_ARRAY || value->items_len != 2) return;
    if (value->items[0].type != REDIS_STRING || value->items[1].type != REDIS_STRING) return;
    int64_t theirs_ms = number_of(value->items[0].text) * 1000 + number_of(value->items[1].text) / 1000;
    int64_t now_ms = (int64_t)loop_wall_ms(clock->loop), asked_ms = (int64_t)clock->asked_ms;
    if (theirs_ms < asked_ms)
        judge(clock, asked_ms - theirs_ms);
    else
        judge(clock, theirs_ms > now_ms ? now_ms - theirs_ms : 0);
}

static void ask(struct loop_timer *timer) {
    struct redis_clock *clock = CONTAINER(timer, struct redis_clock, ask);
    loop_timer_set(timer, REDIS_CLOCK_ASK_MS);
    if (clock->call.request) return;
    clock->asked_ms = loop_wall_ms(clock->loop);
    redis_command(clock->redis, &clock->call, SLICE_NONE, REDIS_ARGS(SLICE("TIME")));
}

struct redis_clock *redis_clock_new(struct loop *loop, struct redis *redis) {
    struct redis_clock *clock = NEW(struct redis_clock);
    clock->loop = loop;
    clock->redis = redis;
    clock->call = (struct redis_call){.done = answered, .repeatable = true};
    loop_timer_init(&clock->ask, loop, ask);
    loop_timer_set(&clock->ask, FIRST_MS);
    return clock;
}

void redis_clock_free(struct redis_clock **owned) {
    struct redis_clock *clock = *owned;
    *owned = NULL;
    if (!clock) return;
    redis_forget(&clock->call);
    loop_timer_cancel(&clock->ask);
    free(clock);
}
