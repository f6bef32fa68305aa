/* SPDX-License-Identifier: Apache-2.0 */
/* libuv inside our loop: its timers and descriptors are served while libevent runs, and it takes no more than its
 * share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "base/log.h"
#include "loop/loop.h"
#include "loop/loop_uv.h"

struct scene {
    struct loop *loop;
    struct loop_timer deadline;
    bool too_late;
    uv_timer_t timer;
    uv_poll_t poll;
    uv_idle_t idle;
    int ends[2];
    int timer_calls, poll_calls, idle_calls;
};

static void give_up(struct loop_timer *timer) {
    struct scene *scene = CONTAINER(timer, struct scene, deadline);
    scene->too_late = true;
    loop_stop(scene->loop);
}

static void scene_begin(struct scene *scene) {
    *scene = (struct scene){.loop = loop_new()};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, scene->ends), 0);
    uv_timer_init(loop_uv(scene->loop), &scene->timer);
    uv_poll_init(loop_uv(scene->loop), &scene->poll, scene->ends[0]);
    uv_idle_init(loop_uv(scene->loop), &scene->idle);
    scene->timer.data = scene->poll.data = scene->idle.data = scene;
    loop_timer_init(&scene->deadline, scene->loop, give_up);
    loop_timer_set(&scene->deadline, 10000);
}

static void scene_end(struct scene *scene) {
    uv_close((uv_handle_t *)&scene->timer, NULL);
    uv_close((uv_handle_t *)&scene->poll, NULL);
    uv_close((uv_handle_t *)&scene->idle, NULL);
    loop_free(&scene->loop);
    close(scene->ends[0]);
    close(scene->ends[1]);
    assert_false(scene->too_late);
}

static void stop_at_the_third(uv_timer_t *timer) {
    struct scene *scene = timer->data;
    if (++scene->timer_calls == 3) loop_stop(scene->loop);
}

static void uv_timer_fires_while_libevent_runs(void **state) {
    struct scene scene;
    uint64_t begin_ns = uv_hrtime();
    scene_begin(&scene);
    uv_timer_start(&scene.timer, stop_at_the_third, 20, 20);
    loop_uv_wake(scene.loop);
    loop_run(scene.loop);
    assert_int_equal(scene.timer_calls, 3);
    assert_true(uv_hrtime() - begin_ns >= 55000000);
    scene_end(&scene);
}

static void read_and_stop(uv_poll_t *poll, int status, int events) {
    struct scene *scene = poll->data;
    char byte;
    assert_int_equal(status, 0);
    assert_int_equal(events, UV_READABLE);
    assert_int_equal(read(scene->ends[0], &byte, 1), 1);
    scene->poll_calls++;
    loop_stop(scene->loop);
}

static void write_byte(struct loop_timer *timer) {
    struct scene *scene = CONTAINER(timer, struct scene, deadline);
    assert_int_equal(write(scene->ends[1], "x", 1), 1);
}

static void uv_poll_sees_its_socket_while_libevent_runs(void **state) {
    struct scene scene;
    scene_begin(&scene);
    uv_poll_start(&scene.poll, UV_READABLE, read_and_stop);
    loop_uv_wake(scene.loop);
    /* The byte comes while the loop waits. */
    struct scene writer = {.loop = scene.loop, .ends = {-1, scene.ends[1]}};
    loop_timer_init(&writer.deadline, scene.loop, write_byte);
    for (int i = 1; i <= 3; i++) {
        loop_timer_set(&writer.deadline, 10);
        loop_run(scene.loop);
        assert_int_equal(scene.poll_calls, i);
    }
    scene_end(&scene);
}

static void start_poll(struct loop_timer *timer) {
    struct scene *scene = CONTAINER(timer, struct scene, deadline);
    loop_timer_init(timer, scene->loop, give_up);
    loop_timer_set(timer, 10000);
    uv_poll_start(&scene->poll, UV_READABLE, read_and_stop);
    loop_uv_wake(scene->loop);
    loop_uv_wake(scene->loop);
}

static void uv_poll_started_from_a_libevent_callback_is_served_after_a_wake(void **state) {
    struct scene scene;
    scene_begin(&scene);
    assert_int_equal(write(scene.ends[1], "x", 1), 1);
    loop_timer_cancel(&scene.deadline);
    loop_timer_init(&scene.deadline, scene.loop, start_poll);
    loop_timer_set(&scene.deadline, 5);
    loop_run(scene.loop);
    assert_int_equal(scene.poll_calls, 1);
    scene_end(&scene);
}

static void count_idle(uv_idle_t *idle) {
    struct scene *scene = idle->data;
    scene->idle_calls++;
}

static void busy_uv_leaves_the_rest_its_turn(void **state) {
    struct scene scene;
    scene_begin(&scene);
    uv_idle_start(&scene.idle, count_idle);
    loop_uv_wake(scene.loop);
    loop_turn(scene.loop);
    assert_in_range(scene.idle_calls, 1, 100);
    int calls = scene.idle_calls;
    loop_turn(scene.loop);
    assert_in_range(scene.idle_calls, calls + 1, calls + 100);
    /* And the loop's own timers fire meanwhile. */
    struct scene other = {.loop = scene.loop};
    loop_timer_init(&other.deadline, scene.loop, give_up);
    loop_timer_set(&other.deadline, 5);
    loop_run(scene.loop);
    assert_true(other.too_late);
    scene_end(&scene);
}

static void loop_without_active_uv_handles_is_idle(void **state) {
    struct scene scene;
    scene_begin(&scene);
    loop_uv_wake(scene.loop);
    assert_true(loop_turn(scene.loop));
    assert_false(loop_turn(scene.loop));
    scene_end(&scene);
}

static void remember(void *owner, struct slice line) {
    if (memmem(line.ptr, line.len, "loop.uv_handles_left", 20)) *(bool *)owner = true;
}

static void uv_handles_left_open_are_logged(void **state) {
    bool logged = false;
    struct loop *loop = loop_new();
    static uv_timer_t timer;
    static struct uv_loop_s *uv; /* keeps what the open handle points to */
    uv = loop_uv(loop);
    uv_timer_init(uv, &timer);
    log_set_sink(remember, &logged);
    loop_free(&loop);
    log_set_sink(NULL, NULL);
    assert_true(logged);
    /* The owner closes it. */
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(uv), 0);
    free(uv);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uv_timer_fires_while_libevent_runs),
        cmocka_unit_test(uv_poll_sees_its_socket_while_libevent_runs),
        cmocka_unit_test(uv_poll_started_from_a_libevent_callback_is_served_after_a_wake),
        cmocka_unit_test(busy_uv_leaves_the_rest_its_turn),
        cmocka_unit_test(loop_without_active_uv_handles_is_idle),
        cmocka_unit_test(uv_handles_left_open_are_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
