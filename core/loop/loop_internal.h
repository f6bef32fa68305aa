/* SPDX-License-Identifier: Apache-2.0 */
/* loop_internal.h - the inside of a loop, shared by the files of this folder. */
#ifndef LOOP_LOOP_INTERNAL_H
#define LOOP_LOOP_INTERNAL_H

#include "loop/loop.h"
#include "loop/wheel.h"

struct event;
struct loop_uv;

struct loop_clock {
    bool fake;
    bool is_read; /* in this turn */
    uint64_t now_us, wall_ms;
};

struct loop_stage {
    const char *name;
    uint64_t slice_us; /* the stage ends after the callback that exceeds it */
    int rounds;        /* of tasks that queue more of their kind */
};

/* How long the turn's callbacks take. */
struct loop_pace {
    const struct loop_stage *stage; /* current */
    uint64_t turn_us, stage_us;     /* when they began; 0: the loop still waits */
    uint64_t now_us;                /* when the last callback ended */
    const char *part;               /* what the current callback does; NULL: use the stage's name */
    const char *longest;            /* what the longest one did */
    uint64_t longest_us;
};

struct loop {
    struct event_base *base;
    struct loop_clock clock;
    struct loop_pace pace;
    bool turning, stopping;

    struct wheel wheel;
    struct list due; /* timers that fire in this turn */
    int timer_fd;    /* readable when the wheel has something to do */
    struct event *timer_event;
    uint64_t timer_fd_at_ms; /* 0: not set */

    struct list posted, flush, reap;

    struct loop_uv *uv; /* NULL until somebody asks for it */
};

/* pace.c */
void pace_begin(struct loop *loop, const struct loop_stage *stage);
/* The wait is over. */
void pace_wake(struct loop *loop);
/* After each callback; true: its stage has used up its slice. */
bool pace_count(struct loop *loop);
/* Has the stage at hand used up its slice? */
bool pace_is_over(const struct loop_pace *pace, uint64_t now_us);
/* The turn has ended: metric, and a line if it was long. */
void pace_end(struct loop *loop);

void loop_uv_free(struct loop_uv **uv);

#endif
