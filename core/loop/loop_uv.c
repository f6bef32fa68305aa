/* SPDX-License-Identifier: Apache-2.0 */
/* libuv's loop, on which libwebsockets runs, embedded in ours: its backend descriptor is one more to read, its next
 * timer one more on the wheel. What is asked of libuv takes effect in its next run (epoll does not know of a
 * uv_poll_start before), so whoever starts something from outside, or from a uv_poll callback, must wake it;
 * libwebsockets's idle handle does so for what happens in its own callbacks. */
#include "loop/loop_uv.h"

#include <stdlib.h>
#include <uv.h>

#include "base/log.h"
#include "loop/loop_fd.h"
#include "loop/loop_internal.h"

/* libwebsockets starts an idle handle after each event, so that a wake costs two or three runs; one that always has
 * more to do must let the rest of the loop have its turn. */
enum { RUNS_MAX = 8, CLOSING_RUNS_MAX = 100 };

struct loop_uv {
    uv_loop_t uv;
    struct loop *loop;
    struct loop_fd *backend;
    struct loop_timer timer;
    struct loop_task wake;
};

/* A libuv loop without active handles also says 0; it wants nothing. */
static bool wants_to_run_now(struct loop_uv *embedded) {
    return uv_loop_alive(&embedded->uv) && uv_backend_timeout(&embedded->uv) == 0;
}

static void pump(struct loop_uv *embedded) {
    int runs = 0;
    loop_task_cancel(&embedded->wake);
    do {
        uv_run(&embedded->uv, UV_RUN_NOWAIT);
    } while (++runs < RUNS_MAX && wants_to_run_now(embedded));

    uv_update_time(&embedded->uv);
    if (wants_to_run_now(embedded)) {
        loop_post(embedded->loop, &embedded->wake);
        return;
    }
    int timeout_ms = uv_loop_alive(&embedded->uv) ? uv_backend_timeout(&embedded->uv) : -1;
    if (timeout_ms > 0)
        loop_timer_set(&embedded->timer, (uint64_t)timeout_ms);
    else
        loop_timer_cancel(&embedded->timer);
}

static void backend_ready(void *owner, int fd, int ready) {
    pump(owner);
}

static void timer_fired(struct loop_timer *timer) {
    pump(CONTAINER(timer, struct loop_uv, timer));
}

static void woken(struct loop_task *task) {
    pump(CONTAINER(task, struct loop_uv, wake));
}

struct uv_loop_s *loop_uv(struct loop *loop) {
    if (!loop->uv) {
        struct loop_uv *embedded = NEW(struct loop_uv);
        if (uv_loop_init(&embedded->uv) != 0) abort();
        embedded->loop = loop;
        loop_timer_init(&embedded->timer, loop, timer_fired);
        loop_task_init(&embedded->wake, woken);
        embedded->backend = loop_fd_new(loop, uv_backend_fd(&embedded->uv), LOOP_READ, backend_ready, embedded);
        loop->uv = embedded;
    }
    return &loop->uv->uv;
}

void loop_uv_wake(struct loop *loop) {
    if (loop->uv) loop_post(loop, &loop->uv->wake);
}

void loop_uv_free(struct loop_uv **owner) {
    struct loop_uv *embedded = *owner;
    if (!embedded) return;
    /* Handles that are being closed need runs to end. */
    for (int runs = 0; runs < CLOSING_RUNS_MAX && uv_loop_alive(&embedded->uv); runs++)
        uv_run(&embedded->uv, UV_RUN_NOWAIT);
    loop_timer_cancel(&embedded->timer);
    loop_task_cancel(&embedded->wake);
    loop_fd_free(&embedded->backend);
    *owner = NULL;
    if (uv_loop_close(&embedded->uv) == 0)
        free(embedded);
    else /* handles that their owner has not closed still point to it */
        LOG(LOG_WARNING, "loop.uv_handles_left");
}
