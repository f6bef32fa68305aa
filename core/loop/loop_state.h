/* loop_state.h - the inside of a loop, shared by the files of this folder. */
#ifndef LOOP_LOOP_STATE_H
#define LOOP_LOOP_STATE_H

#include "loop/loop.h"
#include "loop/wheel.h"

struct event;
struct loop_uv;

struct loop_clock {
    bool fake;
    bool is_read; /* in this turn */
    uint64_t now_us, wall_ms;
};

struct loop {
    struct event_base *base;
    struct loop_clock clock;
    bool turning, stopping;

    struct wheel wheel;
    struct list due; /* timers that fire in this turn */
    int timer_fd;    /* readable when the wheel has something to do */
    struct event *timer_event;
    uint64_t timer_fd_at_ms; /* 0: not set */

    struct list posted, flush, reap;

    struct loop_uv *uv; /* NULL until somebody asks for it */
};

void loop_uv_free(struct loop_uv **uv);

#endif
