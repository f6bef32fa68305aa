/* SPDX-License-Identifier: Apache-2.0 */
/* How long appends wait for others of their shard. */
#include "store/postgres/gather_window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { FULL = 64, COMMITS_MAX = 1000 };

/* A worker that sends appends to a database, and tells it what came of it, as time passes. */
struct worker {
    struct gather_window gather;
    uint64_t now_ms, due_ms, review_ms;
    uint64_t first_ms; /* the first of those that wait; 0: none */
    double (*takes)(const struct worker *worker);
    double takes_ms;
    uint64_t ends[COMMITS_MAX], began[COMMITS_MAX];
    unsigned under_way;
    uint64_t appends, commits;
    unsigned longest_ms;
};

static double always(const struct worker *worker) {
    return worker->takes_ms;
}

static void begin(struct worker *worker, int gather_ms, double takes_ms) {
    *worker = (struct worker){.now_ms = 5000, .takes = always, .takes_ms = takes_ms};
    gather_window_init(&worker->gather, gather_ms, worker->now_ms);
}

static void leave(struct worker *worker, bool whole) {
    unsigned waited_ms = (unsigned)(worker->now_ms - worker->first_ms);
    if (waited_ms > worker->longest_ms) worker->longest_ms = waited_ms;
    gather_window_left(&worker->gather, whole);
    worker->first_ms = worker->due_ms = 0;
    worker->commits++;
    assert_in_range(worker->under_way, 0, COMMITS_MAX - 1);
    worker->began[worker->under_way] = worker->now_ms;
    worker->ends[worker->under_way++] = worker->now_ms + (uint64_t)(worker->takes(worker) + 0.5);
}

static void append(struct worker *worker) {
    unsigned wait_ms = gather_window_arrival(&worker->gather, worker->now_ms, FULL);
    if (worker->review_ms == 0) {
        worker->gather.window.since_ms = worker->now_ms;
        worker->review_ms = worker->now_ms + COALESCE_REVIEW_MS;
    }
    worker->appends++;
    if (worker->first_ms == 0) {
        worker->first_ms = worker->now_ms;
        worker->due_ms = worker->now_ms + wait_ms;
    }
    if (wait_ms == 0) leave(worker, false);
}

static void tick(struct worker *worker) {
    worker->now_ms++;
    for (unsigned i = 0; i < worker->under_way; i++)
        if (worker->ends[i] <= worker->now_ms) {
            gather_window_committed(&worker->gather, worker->now_ms - worker->began[i]);
            worker->ends[i] = worker->ends[--worker->under_way];
            worker->began[i--] = worker->began[worker->under_way];
        }
    if (worker->first_ms && worker->due_ms <= worker->now_ms) leave(worker, true);
    if (worker->review_ms && worker->review_ms <= worker->now_ms) {
        coalesce_review(&worker->gather.window, worker->now_ms);
        worker->review_ms = worker->gather.window.ms > 0 ? worker->now_ms + COALESCE_REVIEW_MS : 0;
    }
}

/* For so long, with an append every gap_ms (0: none). How many a commit took. */
static double pass(struct worker *worker, unsigned ms, unsigned gap_ms) {
    worker->appends = worker->commits = worker->longest_ms = 0;
    for (unsigned i = 1; i <= ms; i++) {
        tick(worker);
        if (gap_ms && i % gap_ms == 0) append(worker);
    }
    return worker->commits ? (double)worker->appends / (double)worker->commits : 0;
}

static unsigned window_of(const struct worker *worker) {
    return worker->gather.window.ms;
}

static void one_that_comes_alone_leaves_at_once_however_slow_commits_are(void **state) {
    struct worker worker;
    begin(&worker, GATHER_WINDOW_AUTO, 300);
    pass(&worker, 10000, 200);
    assert_int_equal(worker.longest_ms, 0);
    assert_int_equal(worker.commits, worker.appends);
    pass(&worker, 2000, 2);
    assert_in_range(worker.longest_ms, 1, GATHER_WINDOW_MAX_MS);
    pass(&worker, 110, 0);
    assert_in_range(window_of(&worker), 1, GATHER_WINDOW_MAX_MS);
    uint64_t commits = worker.commits;
    append(&worker); /* it comes alone, though others waited just now */
    assert_int_equal(worker.commits, commits + 1);
}

static void nothing_waits_while_commits_are_quick_and_few(void **state) {
    struct worker worker;
    begin(&worker, GATHER_WINDOW_AUTO, 1);
    pass(&worker, 3000, 10);
    assert_int_equal(worker.longest_ms, 0);
}

static void where_commits_are_thick_several_appends_share_one(void **state) {
    struct worker worker;
    begin(&worker, GATHER_WINDOW_AUTO, 2);
    pass(&worker, 1000, 1);
    assert_true(pass(&worker, 2000, 1) > 4);
}

static void the_slower_commits_are_the_longer_appends_wait(void **state) {
    unsigned before = 0;
    for (double takes_ms = 6; takes_ms <= 10; takes_ms += 2) {
        struct worker worker;
        begin(&worker, GATHER_WINDOW_AUTO, takes_ms);
        pass(&worker, 2000, 8);
        assert_in_range(window_of(&worker), before + 1, GATHER_WINDOW_MAX_MS);
        before = window_of(&worker);
    }
}

static void it_widens_quickly_and_narrows_little_by_little(void **state) {
    struct worker worker;
    begin(&worker, GATHER_WINDOW_AUTO, 1);
    pass(&worker, 1000, 8);
    assert_int_equal(window_of(&worker), 0);
    worker.takes_ms = 50;
    pass(&worker, 4 * COALESCE_REVIEW_MS, 8);
    assert_in_range(window_of(&worker), GATHER_WINDOW_MAX_MS / 2, GATHER_WINDOW_MAX_MS);
    pass(&worker, 1000, 8);
    worker.takes_ms = 1;
    unsigned wide = window_of(&worker);
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 100; j++)
            gather_window_committed(&worker.gather, 1); /* learns at once that commits are quick */
        pass(&worker, COALESCE_REVIEW_MS, 8);
    }
    assert_in_range(window_of(&worker), GATHER_WINDOW_MAX_MS / 2, wide);
    pass(&worker, 10000, 8);
    assert_int_equal(window_of(&worker), 0);
}

/* Twice as slow for each two hundred commits a second. */
static double crowded(const struct worker *worker) {
    unsigned recent = 0;
    for (unsigned i = 0; i < worker->under_way; i++) recent += worker->began[i] + 100 > worker->now_ms;
    return 2 + 2.0 * recent;
}

static void a_database_that_it_relieves_does_not_make_it_swing(void **state) {
    struct worker worker;
    begin(&worker, GATHER_WINDOW_AUTO, 0);
    worker.takes = crowded;
    pass(&worker, 5000, 3);
    unsigned least = GATHER_WINDOW_MAX_MS, most = 0;
    for (int i = 0; i < 50; i++) {
        pass(&worker, COALESCE_REVIEW_MS, 3);
        if (window_of(&worker) < least) least = window_of(&worker);
        if (window_of(&worker) > most) most = window_of(&worker);
    }
    assert_in_range(least, 1, GATHER_WINDOW_MAX_MS);
    assert_in_range(most - least, 0, 4);
}

static void a_burst_after_silence_is_not_held(void **state) {
    struct worker worker;
    begin(&worker, GATHER_WINDOW_AUTO, 50);
    pass(&worker, 3000, 2);
    assert_int_equal(window_of(&worker), GATHER_WINDOW_MAX_MS);
    pass(&worker, 2000, 0);
    assert_int_equal(window_of(&worker), 0);
    pass(&worker, 50, 2);
    assert_int_equal(worker.longest_ms, 0);
}

static void none_waits_longer_than_the_bound(void **state) {
    struct worker worker;
    unsigned waited = 0;
    begin(&worker, GATHER_WINDOW_AUTO, 0);
    srandom(1);
    for (int i = 0; i < 300; i++) {
        worker.takes_ms = (double)(random() % 200);
        pass(&worker, 50 + (unsigned)(random() % 500), 1 + (unsigned)(random() % 40));
        assert_in_range(worker.longest_ms, 0, GATHER_WINDOW_MAX_MS);
        waited += worker.longest_ms > 0;
    }
    assert_true(waited > 10);
}

static void a_number_is_how_long_each_waits_and_none_is_never(void **state) {
    static const int numbers[] = {0, 7, 40};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct worker worker;
        begin(&worker, numbers[i], 50);
        pass(&worker, 3000, 2);
        assert_int_equal(worker.longest_ms, numbers[i]);
        assert_int_equal(worker.review_ms ? window_of(&worker) : (unsigned)numbers[i], numbers[i]);
    }
}

static void as_many_as_a_batch_takes_wait_no_longer(void **state) {
    struct worker worker;
    begin(&worker, 40, 1);
    for (int i = 0; i < FULL; i++) append(&worker);
    assert_int_equal(worker.commits, 1);
    append(&worker);
    assert_int_equal(worker.commits, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_comes_alone_leaves_at_once_however_slow_commits_are),
        cmocka_unit_test(nothing_waits_while_commits_are_quick_and_few),
        cmocka_unit_test(where_commits_are_thick_several_appends_share_one),
        cmocka_unit_test(the_slower_commits_are_the_longer_appends_wait),
        cmocka_unit_test(it_widens_quickly_and_narrows_little_by_little),
        cmocka_unit_test(a_database_that_it_relieves_does_not_make_it_swing),
        cmocka_unit_test(a_burst_after_silence_is_not_held),
        cmocka_unit_test(none_waits_longer_than_the_bound),
        cmocka_unit_test(a_number_is_how_long_each_waits_and_none_is_never),
        cmocka_unit_test(as_many_as_a_batch_takes_wait_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
