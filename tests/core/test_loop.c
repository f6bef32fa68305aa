/* SPDX-License-Identifier: Apache-2.0 */
/* The loop: the order within a turn, timers on their minute, descriptors and signals. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "loop/loop_fd.h"
#include "loop/loop_uv.h"

/* A scene records a letter for each callback. */
struct scene {
    struct loop *loop;
    struct buffer story;
};

static void expect_story(struct scene *scene, const char *expected) {
    char *story = buffer_take(&scene->story, NULL);
    assert_string_equal(story, expected);
    free(story);
}

struct actor {
    struct loop_task task;
    struct loop_timer timer;
    struct scene *scene;
    char letter;
    void (*then)(struct actor *actor);
    struct actor *other;
    int times;
};

static void act(struct actor *actor) {
    buffer_append_char(&actor->scene->story, actor->letter);
    if (actor->then) actor->then(actor);
}

static void act_as_task(struct loop_task *task) {
    act(CONTAINER(task, struct actor, task));
}

static void act_as_timer(struct loop_timer *timer) {
    act(CONTAINER(timer, struct actor, timer));
}

static struct actor actor_of(struct scene *scene, char letter, void (*then)(struct actor *actor)) {
    return (struct actor){.scene = scene, .letter = letter, .then = then};
}

static void actor_init(struct actor *actor) {
    loop_task_init(&actor->task, act_as_task);
    loop_timer_init(&actor->timer, actor->scene->loop, act_as_timer);
}

static void scene_begin(struct scene *scene) {
    *scene = (struct scene){.loop = loop_new_with_fake_clock()};
}

static void scene_end(struct scene *scene) {
    buffer_done(&scene->story);
    loop_free(&scene->loop);
    assert_null(scene->loop);
}

static void post_itself_twice(struct actor *actor) {
    if (++actor->times < 3) {
        loop_post(actor->scene->loop, &actor->task);
        loop_post(actor->scene->loop, &actor->task);
    }
}

static void task_posted_while_posting_runs_next_turn_and_once(void **state) {
    struct scene scene;
    scene_begin(&scene);
    struct actor alice = actor_of(&scene, 'a', post_itself_twice);
    actor_init(&alice);
    assert_false(loop_turn(scene.loop));
    loop_post(scene.loop, &alice.task);
    assert_true(loop_task_pending(&alice.task));
    for (int i = 0; i < 3; i++) {
        assert_true(loop_turn(scene.loop));
        expect_story(&scene, "a");
    }
    assert_false(loop_task_pending(&alice.task));
    assert_false(loop_turn(scene.loop));
    expect_story(&scene, "");
    scene_end(&scene);
}

/* Longer than the time slice of a stage. */
static void work_for_long(struct actor *actor) {
    uint64_t end_us = loop_clock_us(actor->scene->loop) + 11000;
    while (loop_clock_us(actor->scene->loop) < end_us) continue;
}

static void real_scene_begin(struct scene *scene, struct actor *actors, const char *letters) {
    *scene = (struct scene){.loop = loop_new()};
    for (size_t i = 0; letters[i]; i++) {
        actors[i] = actor_of(scene, letters[i], work_for_long);
        actor_init(&actors[i]);
    }
}

static void work_beyond_a_turns_slices_runs_in_the_next_turn(void **state) {
    struct scene scene;
    struct actor actors[4];
    real_scene_begin(&scene, actors, "pqfg");
    loop_post(scene.loop, &actors[0].task);
    loop_post(scene.loop, &actors[1].task);
    loop_flush(scene.loop, &actors[2].task);
    loop_flush(scene.loop, &actors[3].task);
    assert_true(loop_turn(scene.loop));
    expect_story(&scene, "pf");
    loop_post(scene.loop, &actors[0].task); /* behind the one that waits */
    assert_true(loop_turn(scene.loop));
    expect_story(&scene, "qg");
    assert_true(loop_turn(scene.loop));
    expect_story(&scene, "p");
    assert_false(loop_turn(scene.loop));
    scene_end(&scene);
}

static void timers_that_do_not_fit_fire_in_the_next_turn(void **state) {
    struct scene scene;
    struct actor actors[3];
    real_scene_begin(&scene, actors, "tup");
    loop_timer_set(&actors[0].timer, 1);
    loop_timer_set(&actors[1].timer, 1);
    work_for_long(&actors[2]); /* both are due */
    loop_post(scene.loop, &actors[2].task);
    assert_true(loop_turn(scene.loop));
    expect_story(&scene, "tp");
    assert_true(loop_timer_pending(&actors[1].timer));
    assert_true(loop_turn(scene.loop));
    expect_story(&scene, "u");
    scene_end(&scene);
}

static void read_for_long(void *owner, int fd, int what) {
    struct actor *actor = owner;
    char byte;
    assert_int_equal(read(fd, &byte, 1), 1);
    act(actor);
}

static void descriptors_take_turns_with_posted_tasks(void **state) {
    struct scene scene;
    struct actor actors[3];
    struct loop_fd *watches[2];
    int pairs[2][2];
    real_scene_begin(&scene, actors, "ddp");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        assert_int_equal(write(pairs[i][1], "xx", 2), 2);
        watches[i] = loop_fd_new(scene.loop, pairs[i][0], LOOP_READ, read_for_long, &actors[i]);
    }
    actors[1].letter = 'e';
    for (int turn = 0; turn < 4; turn++) {
        loop_post(scene.loop, &actors[2].task);
        assert_true(loop_turn(scene.loop));
    }
    expect_story(&scene, "dpepdpep"); /* they take turns */
    for (int i = 0; i < 2; i++) {
        loop_fd_free(&watches[i]);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    scene_end(&scene);
}

static struct buffer long_turns;

static void keep_line(void *owner, struct slice line) {
    buffer_append_slice(&long_turns, line);
}

static void say_what_it_is(struct actor *actor) {
    for (int i = 0; i < 10; i++) work_for_long(actor);
    assert_true(loop_overdue(actor->scene->loop));
    loop_part(actor->scene->loop, "script");
}

static void long_turn_is_a_line_that_names_its_longest_part(void **state) {
    struct scene scene;
    struct actor actors[1];
    real_scene_begin(&scene, actors, "p");
    actors[0].then = say_what_it_is;
    loop_post(scene.loop, &actors[0].task);
    log_set_sink(keep_line, NULL);
    int64_t turns = metric_get(METRIC_LOOP_TURN, NULL);
    assert_true(loop_turn(scene.loop));
    log_set_sink(NULL, NULL);
    buffer_append_char(&long_turns, '\0');
    assert_non_null(strstr(long_turns.ptr, "loop.long_turn ms="));
    assert_non_null(strstr(long_turns.ptr, "longest=script longest_ms="));
    assert_int_equal(metric_get(METRIC_LOOP_TURN, NULL), turns + 1);
    buffer_done(&long_turns);
    buffer_done(&scene.story);
    scene_end(&scene);
}

static void queue_other_everywhere(struct actor *actor) {
    struct actor *others = actor->other;
    loop_reap(actor->scene->loop, &others[0].task);
    loop_flush(actor->scene->loop, &others[1].task);
    loop_post(actor->scene->loop, &others[2].task);
}

static void turn_runs_descriptors_timers_posted_flush_and_reap_tasks(void **state) {
    struct scene scene;
    scene_begin(&scene);
    struct actor timer = actor_of(&scene, 't', queue_other_everywhere);
    struct actor others[3] = {actor_of(&scene, 'r', NULL), actor_of(&scene, 'f', NULL), actor_of(&scene, 'p', NULL)};
    struct actor posted = actor_of(&scene, 'P', NULL);
    timer.other = others;
    actor_init(&timer);
    actor_init(&posted);
    for (int i = 0; i < 3; i++) actor_init(&others[i]);
    loop_timer_set(&timer.timer, 5);
    loop_advance(scene.loop, 4);
    expect_story(&scene, "");
    loop_advance(scene.loop, 1);
    /* An answer caused by a descriptor or a timer is flushed in the same turn. */
    expect_story(&scene, "tpfr");
    loop_reap(scene.loop, &others[0].task);
    loop_flush(scene.loop, &others[1].task);
    loop_post(scene.loop, &others[2].task);
    assert_true(loop_turn(scene.loop));
    expect_story(&scene, "pfr");
    loop_post(scene.loop, &posted.task);
    loop_task_cancel(&posted.task);
    assert_false(loop_turn(scene.loop));
    expect_story(&scene, "");
    scene_end(&scene);
}

static void flush_other(struct actor *actor) {
    loop_flush(actor->scene->loop, &actor->other->task);
}

static void flush_of_a_flush_runs_in_the_same_turn(void **state) {
    struct scene scene;
    scene_begin(&scene);
    struct actor alice = actor_of(&scene, 'a', flush_other), bob = actor_of(&scene, 'b', NULL);
    alice.other = &bob;
    actor_init(&alice);
    actor_init(&bob);
    loop_flush(scene.loop, &alice.task);
    assert_true(loop_turn(scene.loop));
    expect_story(&scene, "ab");
    /* A task that queues itself forever does not block the others. */
    alice.other = &alice;
    loop_flush(scene.loop, &alice.task);
    assert_true(loop_turn(scene.loop));
    assert_true(loop_task_pending(&alice.task));
    loop_task_cancel(&alice.task);
    scene_end(&scene);
}

static void free_owner(struct actor *actor) {
    free(actor);
}

static void reap_task_may_free_its_owner(void **state) {
    struct scene scene;
    scene_begin(&scene);
    struct actor *actor = NEW(struct actor);
    *actor = actor_of(&scene, 'r', free_owner);
    actor_init(actor);
    loop_reap(scene.loop, &actor->task);
    assert_true(loop_turn(scene.loop));
    expect_story(&scene, "r");
    scene_end(&scene);
}

/* A timer that notes how far from its time it fired. */
struct timely {
    struct loop_timer timer;
    uint64_t expected_ms;
    struct timely *shared; /* the first of all: the last time seen and the number fired */
    uint64_t last_ms;
    int fired;
};

static void fire_timely(struct loop_timer *timer) {
    struct timely *timely = CONTAINER(timer, struct timely, timer);
    uint64_t now_ms = loop_now_ms(timer->loop);
    assert_true(now_ms == timely->expected_ms);
    assert_true(now_ms >= timely->shared->last_ms);
    assert_false(loop_timer_pending(timer));
    timely->shared->last_ms = now_ms;
    timely->shared->fired++;
}

static void timers_fire_in_order_at_their_time(void **state) {
    enum { TIMERS = 5000, HOURS_MS = 100 * 3600 * 1000 };
    static struct timely timers[TIMERS];
    struct loop *loop = loop_new_with_fake_clock();
    uint64_t seed = 42;
    int cancelled = 0;
    for (int i = 0; i < TIMERS; i++) {
        struct timely *timer = &timers[i];
        loop_timer_init(&timer->timer, loop, fire_timely);
        timer->shared = &timers[0];
        seed = seed * 6364136223846793005 + 1442695040888963407;
        /* From milliseconds to 100 hours, evenly in their magnitude; some set twice, some cancelled. */
        uint64_t delay_ms = 1 + (seed >> 20) % ((uint64_t)HOURS_MS >> (seed >> 59) % 28);
        if (i % 3 == 0) loop_timer_set(&timer->timer, delay_ms + 77);
        loop_timer_set(&timer->timer, delay_ms);
        timer->expected_ms = loop_now_ms(loop) + delay_ms;
        if (i % 7 == 0 && ++cancelled) loop_timer_cancel(&timer->timer);
        if (i % 10 == 0) loop_advance(loop, 13);
    }
    loop_advance(loop, HOURS_MS);
    assert_int_equal(timers[0].fired, TIMERS - cancelled);
    for (int i = 0; i < TIMERS; i++) assert_false(loop_timer_pending(&timers[i].timer));
    loop_free(&loop);
}

static void timer_far_ahead_fires_at_its_time(void **state) {
    struct scene scene;
    scene_begin(&scene);
    struct actor year = actor_of(&scene, 'y', NULL), never = actor_of(&scene, 'n', NULL),
                 at_once = actor_of(&scene, '0', NULL);
    actor_init(&year);
    actor_init(&never);
    actor_init(&at_once);
    const uint64_t year_ms = UINT64_C(365) * 24 * 3600 * 1000;
    loop_timer_set(&never.timer, UINT64_MAX);
    loop_timer_set(&year.timer, year_ms);
    loop_timer_set(&at_once.timer, 0);
    assert_false(loop_turn(scene.loop));
    loop_advance(scene.loop, 1);
    expect_story(&scene, "0");
    loop_advance(scene.loop, year_ms - 2);
    expect_story(&scene, "");
    loop_advance(scene.loop, 1);
    expect_story(&scene, "y");
    assert_true(loop_timer_pending(&never.timer));
    loop_timer_cancel(&never.timer);
    scene_end(&scene);
}

static void set_itself_again(struct actor *actor) {
    if (++actor->times < 4) loop_timer_set(&actor->timer, 10);
}

static void timer_may_set_itself_again_while_firing(void **state) {
    struct scene scene;
    scene_begin(&scene);
    struct actor alice = actor_of(&scene, 'a', set_itself_again);
    actor_init(&alice);
    loop_timer_set(&alice.timer, 10);
    loop_advance(scene.loop, 29);
    expect_story(&scene, "aa");
    loop_advance(scene.loop, 1000);
    expect_story(&scene, "aa");
    scene_end(&scene);
}

static void cancel_other(struct actor *actor) {
    loop_timer_cancel(&actor->other->timer);
}

static void move_other(struct actor *actor) {
    loop_timer_set(&actor->other->timer, 5);
}

static void timer_may_cancel_or_move_another_that_is_due(void **state) {
    struct scene scene;
    scene_begin(&scene);
    struct actor alice = actor_of(&scene, 'a', cancel_other), bob = actor_of(&scene, 'b', NULL);
    struct actor carol = actor_of(&scene, 'c', move_other), dave = actor_of(&scene, 'd', NULL);
    alice.other = &bob;
    carol.other = &dave;
    struct actor *all[] = {&alice, &bob, &carol, &dave};
    for (int i = 0; i < 4; i++) {
        actor_init(all[i]);
        loop_timer_set(&all[i]->timer, 100);
    }
    loop_advance(scene.loop, 100);
    expect_story(&scene, "ac");
    assert_false(loop_timer_pending(&bob.timer));
    assert_true(loop_timer_pending(&dave.timer));
    loop_advance(scene.loop, 5);
    expect_story(&scene, "d");
    scene_end(&scene);
}

static void fake_clock_moves_both_clocks(void **state) {
    struct loop *loop = loop_new_with_fake_clock();
    uint64_t now_ms = loop_now_ms(loop), wall_ms = loop_wall_ms(loop), clock_us = loop_clock_us(loop);
    loop_turn(loop);
    assert_true(loop_now_ms(loop) == now_ms);
    loop_advance(loop, 1234);
    assert_true(loop_now_ms(loop) == now_ms + 1234);
    assert_true(loop_wall_ms(loop) == wall_ms + 1234);
    assert_true(loop_clock_us(loop) == clock_us + 1234000);
    loop_free(&loop);
}

static void stop_loop(struct actor *actor) {
    loop_stop(actor->scene->loop);
}

static void real_timers_fire_not_before_their_time(void **state) {
    struct scene scene = {.loop = loop_new()};
    struct actor alice = actor_of(&scene, 'a', NULL), bob = actor_of(&scene, 'b', stop_loop);
    actor_init(&alice);
    actor_init(&bob);
    uint64_t begin_us = loop_clock_us(scene.loop);
    loop_timer_set(&bob.timer, 30);
    loop_timer_set(&alice.timer, 10);
    loop_run(scene.loop);
    /* The due time is counted in whole milliseconds of the clock. */
    assert_true(loop_clock_us(scene.loop) - begin_us >= 29000);
    expect_story(&scene, "ab");
    scene_end(&scene);
}

static long times_slept(void) {
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_nvcsw;
}

static void loop_with_nothing_to_do_sleeps(void **state) {
    struct scene scene = {.loop = loop_new()};
    struct actor end = actor_of(&scene, 'e', stop_loop), cancelled = actor_of(&scene, 'c', NULL);
    actor_init(&end);
    actor_init(&cancelled);
    loop_uv(scene.loop);
    loop_uv_wake(scene.loop);
    loop_timer_set(&end.timer, 400);
    loop_timer_set(&cancelled.timer, 20);
    loop_timer_cancel(&cancelled.timer);
    long before = times_slept();
    loop_run(scene.loop);
    /* Once for the timer, and at each level of the wheel on its way. */
    assert_in_range(times_slept() - before, 1, 10);
    scene_end(&scene);
}

struct wire {
    struct loop *loop;
    struct loop_fd *fd;
    struct loop_fd *other;
    int seen, calls;
};

static void wire_ready(void *owner, int fd, int ready) {
    struct wire *wire = owner;
    wire->seen |= ready;
    wire->calls++;
    loop_fd_free(&wire->other);
}

static void descriptor_is_level_triggered_and_its_interest_may_change(void **state) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    struct wire wire = {.loop = loop_new_with_fake_clock()};
    wire.fd = loop_fd_new(wire.loop, ends[0], LOOP_READ, wire_ready, &wire);
    assert_false(loop_turn(wire.loop));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_true(loop_turn(wire.loop));
    assert_true(loop_turn(wire.loop));
    assert_int_equal(wire.seen, LOOP_READ);
    assert_int_equal(wire.calls, 2);
    loop_fd_set(wire.fd, 0);
    assert_false(loop_turn(wire.loop));
    wire.seen = 0;
    loop_fd_set(wire.fd, LOOP_WRITE);
    assert_true(loop_turn(wire.loop));
    assert_int_equal(wire.seen, LOOP_WRITE);
    loop_fd_set(wire.fd, LOOP_READ | LOOP_WRITE);
    assert_true(loop_turn(wire.loop));
    assert_int_equal(wire.seen, LOOP_READ | LOOP_WRITE);
    loop_fd_free(&wire.fd);
    assert_false(loop_turn(wire.loop));
    loop_free(&wire.loop);
    close(ends[0]);
    close(ends[1]);
}

static void descriptor_that_was_freed_is_not_ready_any_more(void **state) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    struct loop *loop = loop_new_with_fake_clock();
    struct wire first = {.loop = loop}, second = {.loop = loop};
    first.fd = loop_fd_new(loop, ends[0], LOOP_WRITE, wire_ready, &first);
    second.fd = loop_fd_new(loop, ends[1], LOOP_WRITE, wire_ready, &second);
    /* The first one frees the other; both are ready in this turn. */
    first.other = second.fd;
    second.other = first.fd;
    assert_true(loop_turn(loop));
    assert_int_equal(first.calls + second.calls, 1);
    struct wire *left = first.calls ? &first : &second;
    loop_fd_free(&left->fd);
    loop_free(&loop);
    close(ends[0]);
    close(ends[1]);
}

static void stop_before_run_is_honoured(void **state) {
    struct loop *loop = loop_new();
    loop_stop(loop);
    loop_run(loop);
    loop_free(&loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(task_posted_while_posting_runs_next_turn_and_once),
        cmocka_unit_test(work_beyond_a_turns_slices_runs_in_the_next_turn),
        cmocka_unit_test(timers_that_do_not_fit_fire_in_the_next_turn),
        cmocka_unit_test(descriptors_take_turns_with_posted_tasks),
        cmocka_unit_test(long_turn_is_a_line_that_names_its_longest_part),
        cmocka_unit_test(turn_runs_descriptors_timers_posted_flush_and_reap_tasks),
        cmocka_unit_test(flush_of_a_flush_runs_in_the_same_turn),
        cmocka_unit_test(reap_task_may_free_its_owner),
        cmocka_unit_test(timers_fire_in_order_at_their_time),
        cmocka_unit_test(timer_far_ahead_fires_at_its_time),
        cmocka_unit_test(timer_may_set_itself_again_while_firing),
        cmocka_unit_test(timer_may_cancel_or_move_another_that_is_due),
        cmocka_unit_test(fake_clock_moves_both_clocks),
        cmocka_unit_test(real_timers_fire_not_before_their_time),
        cmocka_unit_test(loop_with_nothing_to_do_sleeps),
        cmocka_unit_test(descriptor_is_level_triggered_and_its_interest_may_change),
        cmocka_unit_test(descriptor_that_was_freed_is_not_ready_any_more),
        cmocka_unit_test(stop_before_run_is_honoured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
