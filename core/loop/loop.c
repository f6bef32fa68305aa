/* SPDX-License-Identifier: Apache-2.0 */
#include "loop/loop.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "loop/loop_internal.h"

/* 2026-01-01T00:00:00Z, where a fake clock starts. */
static const uint64_t FAKE_WALL_MS = 1767225600000;
/* Flush and reap tasks may queue more of their kind; after this many rounds the rest waits for the next turn. */
enum { ROUNDS_MAX = 16 };
/* The stages of a turn. The other stages bound the work of reap. */
enum { SLICE_US = 10000 };
static const struct loop_stage descriptors = {"descriptors", SLICE_US, 1}, timers = {"timers", SLICE_US, 1},
                               posted = {"posted", SLICE_US, 1}, flush = {"flush", SLICE_US, ROUNDS_MAX},
                               reap = {"reap", UINT64_MAX, ROUNDS_MAX};
/* Turns at each step of a fake clock. */
enum { SETTLE_TURNS_MAX = 1000 };
/* The longest wait for the kernel's timer (about 35 years); a later timer is set again then. */
static const uint64_t WAIT_END_MS = UINT64_C(1) << 40;

static uint64_t read_clock(clockid_t id, uint64_t per_second) {
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * per_second + (uint64_t)now.tv_nsec / (1000000000 / per_second);
}

/* Read on first use in a turn, because the turn may begin with a long wait. */
static const struct loop_clock *clock_of(const struct loop *loop) {
    struct loop_clock *clock = (struct loop_clock *)&loop->clock;
    if (!clock->fake && !clock->is_read) {
        clock->now_us = read_clock(CLOCK_MONOTONIC, 1000000);
        clock->wall_ms = read_clock(CLOCK_REALTIME, 1000);
        clock->is_read = loop->turning;
    }
    return clock;
}

uint64_t loop_now_ms(const struct loop *loop) {
    return clock_of(loop)->now_us / 1000;
}

uint64_t loop_clock_us(const struct loop *loop) {
    return loop->clock.fake ? loop->clock.now_us : read_clock(CLOCK_MONOTONIC, 1000000);
}

uint64_t loop_wall_ms(const struct loop *loop) {
    return clock_of(loop)->wall_ms;
}

static void timer_fd_ready(evutil_socket_t fd, short what, void *owner) {
    /* It has woken the loop; the turn fires the timers, and arm_timer_fd sets it anew. */
    struct loop *loop = owner;
    uint64_t expirations;
    pace_wake(loop);
    if (read(fd, &expirations, sizeof(expirations)) > 0) loop->timer_fd_at_ms = 0;
}

static void make_timer_fd(struct loop *loop) {
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->timer_fd < 0) abort();
    loop->timer_event = event_new(loop->base, loop->timer_fd, EV_READ | EV_PERSIST, timer_fd_ready, loop);
    if (!loop->timer_event || event_add(loop->timer_event, NULL) != 0) abort();
}

static struct loop *new_loop(struct loop_clock clock) {
    struct loop *loop = NEW(struct loop);
    loop->base = event_base_new();
    if (!loop->base) abort();
    loop->clock = clock;
    list_init(&loop->due);
    list_init(&loop->posted);
    list_init(&loop->flush);
    list_init(&loop->reap);
    wheel_init(&loop->wheel, loop_now_ms(loop));
    loop->timer_fd = -1;
    if (!clock.fake) make_timer_fd(loop);
    /* A write to a closed peer must return an error, not end the process. */
    signal(SIGPIPE, SIG_IGN);
    return loop;
}

struct loop *loop_new(void) {
    return new_loop((struct loop_clock){0});
}

struct loop *loop_new_with_fake_clock(void) {
    return new_loop((struct loop_clock){.fake = true, .now_us = 1000000, .wall_ms = FAKE_WALL_MS});
}

void loop_free(struct loop **loop_owner) {
    struct loop *loop = *loop_owner;
    if (!loop) return;
    assert(!loop->turning);
    loop_uv_free(&loop->uv);
    if (loop->timer_event) event_free(loop->timer_event);
    if (loop->timer_fd >= 0) close(loop->timer_fd);
    event_base_free(loop->base);
    free(loop);
    *loop_owner = NULL;
}

struct event_base *loop_base(struct loop *loop) {
    return loop->base;
}

void loop_task_init(struct loop_task *task, void (*run)(struct loop_task *task)) {
    list_init(&task->link);
    task->run = run;
}

bool loop_task_pending(const struct loop_task *task) {
    return !list_empty(&task->link);
}

void loop_task_cancel(struct loop_task *task) {
    list_remove(&task->link);
}

static void queue_task(struct list *tasks, struct loop_task *task) {
    if (!loop_task_pending(task)) list_append(tasks, &task->link);
}

void loop_post(struct loop *loop, struct loop_task *task) {
    queue_task(&loop->posted, task);
}

void loop_flush(struct loop *loop, struct loop_task *task) {
    queue_task(&loop->flush, task);
}

void loop_reap(struct loop *loop, struct loop_task *task) {
    queue_task(&loop->reap, task);
}

/* Runs the tasks queued now. Tasks that they queue come after those that the slice left over. */
static bool run_batch(struct loop *loop, struct list *tasks) {
    struct list batch, *link;
    bool overdue = false;
    list_init(&batch);
    list_splice(&batch, tasks);
    while (!overdue && (link = list_pop(&batch))) {
        struct loop_task *task = CONTAINER(link, struct loop_task, link);
        task->run(task);
        overdue = pace_count(loop);
    }
    list_splice(&batch, tasks);
    list_splice(tasks, &batch);
    return overdue;
}

/* True: there was something. */
static bool run_tasks(struct loop *loop, struct list *tasks, const struct loop_stage *stage) {
    if (list_empty(tasks)) return false;
    pace_begin(loop, stage);
    for (int round = 0; round < stage->rounds && !list_empty(tasks); round++)
        if (run_batch(loop, tasks)) break;
    return true;
}

void loop_timer_init(struct loop_timer *timer, struct loop *loop, void (*fire)(struct loop_timer *timer)) {
    *timer = (struct loop_timer){.loop = loop, .fire = fire};
    list_init(&timer->link);
}

void loop_timer_set(struct loop_timer *timer, uint64_t delay_ms) {
    uint64_t now_ms = loop_now_ms(timer->loop);
    if (delay_ms == 0) delay_ms = 1;
    list_remove(&timer->link);
    timer->due_ms = delay_ms < UINT64_MAX - now_ms ? now_ms + delay_ms : UINT64_MAX;
    wheel_insert(&timer->loop->wheel, timer);
}

void loop_timer_cancel(struct loop_timer *timer) {
    list_remove(&timer->link);
}

bool loop_timer_pending(const struct loop_timer *timer) {
    return !list_empty(&timer->link);
}

static bool fire_timers(struct loop *loop) {
    struct list *link;
    wheel_advance(&loop->wheel, loop_now_ms(loop), &loop->due);
    if (list_empty(&loop->due)) return false;
    /* One at a time: a timer that fires may cancel or move others that are due. */
    pace_begin(loop, &timers);
    do {
        link = list_pop(&loop->due);
        struct loop_timer *timer = CONTAINER(link, struct loop_timer, link);
        timer->fire(timer);
    } while (!pace_count(loop) && !list_empty(&loop->due));
    return true;
}

/* Before waiting: sets the one descriptor that ends the wait for all timers. Nothing to do if nothing has changed. */
static void arm_timer_fd(struct loop *loop) {
    uint64_t at_ms = 0;
    if (loop->clock.fake) return;
    if (!wheel_next(&loop->wheel, &at_ms)) at_ms = 0;
    if (at_ms == loop->timer_fd_at_ms) return;
    struct itimerspec when = {0};
    if (at_ms) {
        uint64_t now_us = loop_clock_us(loop), end_ms = at_ms < WAIT_END_MS ? at_ms : WAIT_END_MS;
        uint64_t delay_us = end_ms * 1000 > now_us ? end_ms * 1000 - now_us : 1;
        when.it_value.tv_sec = (time_t)(delay_us / 1000000);
        when.it_value.tv_nsec = (long)(delay_us % 1000000 * 1000);
    }
    if (timerfd_settime(loop->timer_fd, 0, &when, NULL) != 0) abort();
    loop->timer_fd_at_ms = at_ms;
}

static bool run_ready_descriptors(struct loop *loop, bool wait) {
    event_base_get_max_events(loop->base, EVENT_BASE_COUNT_ACTIVE, 1);
    event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | (wait ? 0 : EVLOOP_NONBLOCK));
    return event_base_get_max_events(loop->base, EVENT_BASE_COUNT_ACTIVE, 1) > 0;
}

/* True: something was ready. */
static bool turn(struct loop *loop, bool wait) {
    assert(!loop->turning);
    bool idle =
        list_empty(&loop->due) && list_empty(&loop->posted) && list_empty(&loop->flush) && list_empty(&loop->reap);
    if (wait && idle) arm_timer_fd(loop);
    loop->turning = true;
    loop->pace = (struct loop_pace){.stage = &descriptors};
    bool busy = run_ready_descriptors(loop, wait && idle);
    busy |= fire_timers(loop);
    busy |= run_tasks(loop, &loop->posted, &posted);
    busy |= run_tasks(loop, &loop->flush, &flush);
    busy |= run_tasks(loop, &loop->reap, &reap);
    pace_end(loop);
    loop->turning = false;
    loop->clock.is_read = false;
    return busy;
}

static void move(struct loop *loop, uint64_t ms) {
    loop->clock.now_us += ms * 1000;
    loop->clock.wall_ms += ms;
}

/* Moves a fake clock to the next timer. False: there is no timer. */
static bool move_to_next_timer(struct loop *loop) {
    uint64_t next_ms;
    if (!wheel_next(&loop->wheel, &next_ms)) return false;
    move(loop, next_ms - loop_now_ms(loop));
    return true;
}

void loop_run(struct loop *loop) {
    while (!loop->stopping)
        if (!turn(loop, !loop->clock.fake) && loop->clock.fake && !move_to_next_timer(loop)) turn(loop, true);
    loop->stopping = false;
}

void loop_stop(struct loop *loop) {
    loop->stopping = true;
}

bool loop_overdue(const struct loop *loop) {
    return loop->turning && pace_is_over(&loop->pace, loop_clock_us(loop));
}

void loop_part(struct loop *loop, const char *part) {
    loop->pace.part = part;
}

bool loop_turn(struct loop *loop) {
    return turn(loop, false);
}

static void settle(struct loop *loop) {
    for (int i = 0; i < SETTLE_TURNS_MAX && turn(loop, false); i++) continue;
}

void loop_advance(struct loop *loop, uint64_t ms) {
    assert(loop->clock.fake);
    uint64_t end_ms = loop_now_ms(loop) + ms, next_ms;
    settle(loop);
    while (loop_now_ms(loop) < end_ms) {
        if (!wheel_next(&loop->wheel, &next_ms) || next_ms > end_ms) next_ms = end_ms;
        move(loop, next_ms - loop_now_ms(loop));
        settle(loop);
    }
}
