/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "channel/tail_check.h"
#include "loop/loop.h"
#include "support/fake_log_store.h"

static struct loop *loop;
static struct fake_log_store store;
static struct tail_check *tail_check;

static struct channel {
    struct tail_check_watch watch;
    char id[16];
    int64_t found;
} channels[FAKE_CHANNELS_MAX];

static struct {
    unsigned answers;
    int64_t seq;
    char last[16];
} heard;

static void found(void *owner, struct slice channel_id, int64_t seq, struct slice epoch) {
    assert_true(slice_is(epoch, "1-a"));
    heard.answers++;
    heard.seq = seq;
    snprintf(heard.last, sizeof heard.last, "%.*s", SLICE_ARG(channel_id));
    channels[strtoul(heard.last + 1, NULL, 10)].found = seq;
}

static int set_up(void **state) {
    loop = loop_new_with_fake_clock();
    fake_log_store_init(&store, loop);
    tail_check = tail_check_new(loop, &store.store, found, NULL);
    memset(&heard, 0, sizeof heard);
    return 0;
}

static void add(unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) {
        channels[i].found = 0;
        snprintf(channels[i].id, sizeof channels[i].id, "c%u", i);
        tail_check_add(tail_check, &channels[i].watch, slice_of(channels[i].id));
    }
}

static void drop(unsigned from, unsigned to) {
    for (unsigned i = from; i < to; i++) tail_check_remove(tail_check, &channels[i].watch);
}

static int tear_down(void **state) {
    tail_check_free(&tail_check);
    fake_log_store_done(&store);
    loop_free(&loop);
    return 0;
}

/* How often a channel is asked about in that time. */
static unsigned asked_in(uint64_t ms) {
    unsigned before = store.heads_asked;
    loop_advance(loop, ms);
    return store.heads_asked - before;
}

static void a_quiet_channel_is_asked_about_each_second(void **state) {
    add(0, 1);
    fake_log_store_commit(&store, SLICE("c0"));
    assert_int_equal(asked_in(TAIL_CHECK_ACTIVE_MS - 1), 0);
    assert_int_equal(asked_in(300), 1);
    assert_int_equal(heard.answers, 1);
    assert_int_equal(heard.seq, 1);
    assert_string_equal(heard.last, "c0");
    unsigned asked = asked_in(20000);
    assert_in_range(asked, 15, 20);
    drop(0, 1);
    assert_int_equal(asked_in(20000), 0);
}

/* The next event's number shows what was lost before it. */
static void one_that_is_heard_of_is_not_asked_about(void **state) {
    add(0, 1);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(asked_in(TAIL_CHECK_ACTIVE_MS - 1), 0);
        tail_check_moved(tail_check, &channels[0].watch);
    }
    drop(0, 1);
}

static void many_idle_channels_take_turns(void **state) {
    enum { MANY = 4000, MINUTE_MS = 60000 };
    add(0, MANY);
    loop_advance(loop, TAIL_CHECK_IDLE_AFTER_MS + 2 * TAIL_CHECK_ACTIVE_MS);
    unsigned queries = store.head_queries, asked = asked_in(MINUTE_MS);
    assert_in_range(asked, MANY * MINUTE_MS / 5500, MANY * MINUTE_MS / 4000);
    assert_in_range(store.head_queries - queries, asked / STORE_HEADS_MAX, MINUTE_MS / TAIL_CHECK_ACTIVE_MS + 15);
    /* News of one channel makes it active again. */
    tail_check_moved(tail_check, &channels[7].watch);
    loop_advance(loop, 1);
    asked_in(TAIL_CHECK_ACTIVE_MS + 300);
    bool was_asked = channels[7].watch.checked_ms > channels[7].watch.moved_ms;
    assert_true(was_asked);
    drop(0, MANY);
}

/* While the bus brings nothing: four times a second. */
static void in_a_hurry_all_are_asked_about_often(void **state) {
    add(0, 10);
    loop_advance(loop, TAIL_CHECK_IDLE_AFTER_MS + 2 * TAIL_CHECK_ACTIVE_MS);
    tail_check_hurry(tail_check, true);
    assert_in_range(asked_in(10000), 10 * 28, 10 * 40);
    tail_check_hurry(tail_check, false);
    assert_in_range(asked_in(10000), 10 * 7, 10 * 11);
    drop(0, 10);
}

static void what_may_be_missing_is_asked_about_at_once(void **state) {
    enum { MANY = 3500 };
    add(0, MANY);
    loop_advance(loop, 10);
    tail_check_check(tail_check, &channels[3].watch);
    assert_int_equal(asked_in(2), 1);
    assert_string_equal(heard.last, "c3");
    for (unsigned i = 0; i < MANY; i++) tail_check_check(tail_check, &channels[i].watch);
    assert_int_equal(asked_in(5), MANY);
    assert_int_equal(store.head_queries, 1 + 4);
    drop(0, MANY);
}

/* An unavailable store is asked again after a while, not at once. */
static void an_answer_that_fails_is_asked_for_again(void **state) {
    add(0, 1);
    store.is_away = true;
    loop_advance(loop, 10000);
    assert_int_equal(heard.answers, 0);
    store.is_away = false;
    fake_log_store_commit(&store, SLICE("c0"));
    loop_advance(loop, TAIL_CHECK_ACTIVE_MS + 300);
    assert_int_equal(heard.seq, 1);
    drop(0, 1);
}

/* How long until the store's number is heard of. */
static unsigned found_in_ms(unsigned channel) {
    int64_t seq = fake_log_store_commit(&store, slice_of(channels[channel].id));
    unsigned ms = 0;
    for (; channels[channel].found != seq && ms < 10000; ms++) loop_advance(loop, 1);
    return ms;
}

/* With hundreds of channels on each, and though some of the part that stalls are due before all others. */
static void a_part_that_stalls_delays_no_other(void **state) {
    store.parts = 2;
    add(0, 1000);
    store.stalled = '1' % 2;
    for (unsigned i = 1; i < 1000; i += 2) tail_check_check(tail_check, &channels[i].watch);
    loop_advance(loop, 3 * TAIL_CHECK_ACTIVE_MS);
    for (unsigned turn = 0; turn < 5; turn++) {
        unsigned before = store.head_queries;
        for (unsigned i = 0; i < 1000; i += 2) tail_check_moved(tail_check, &channels[i].watch);
        assert_in_range(found_in_ms(998), 0, 2000);
        assert_in_range(store.head_queries - before, 1, 20);
    }
    fake_log_store_go_on(&store);
    assert_in_range(found_in_ms(999), 0, 2000);
    drop(0, 1000);
}

/* Not only when its turn comes again. */
static void what_could_not_be_asked_is_due_when_the_store_is_back(void **state) {
    enum { MANY = 4000 };
    add(0, MANY);
    loop_advance(loop, TAIL_CHECK_IDLE_AFTER_MS + 6 * TAIL_CHECK_ACTIVE_MS);
    store.is_away = true;
    for (unsigned i = 0; i < MANY; i++) tail_check_check(tail_check, &channels[i].watch);
    loop_advance(loop, 5000);
    unsigned queries = store.head_queries, before = store.heads_asked;
    store.is_away = false;
    loop_advance(loop, 2 * TAIL_CHECK_RETRY_MOST_MS);
    assert_in_range(store.heads_asked - before, MANY, 2 * MANY);
    assert_in_range(store.head_queries - queries, 4, 8);
    drop(0, MANY);
}

static void answers_outlive_the_asker(void **state) {
    add(0, 1);
    store.is_silent = true;
    loop_advance(loop, 2 * TAIL_CHECK_ACTIVE_MS);
    assert_false(list_empty(&store.submitted));
    drop(0, 1);
    tail_check_free(&tail_check);
    fake_log_store_done(&store);
    assert_int_equal(heard.answers, 0);
    fake_log_store_init(&store, loop);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_quiet_channel_is_asked_about_each_second),
        TEST(one_that_is_heard_of_is_not_asked_about),
        TEST(many_idle_channels_take_turns),
        TEST(in_a_hurry_all_are_asked_about_often),
        TEST(what_may_be_missing_is_asked_about_at_once),
        TEST(an_answer_that_fails_is_asked_for_again),
        TEST(a_part_that_stalls_delays_no_other),
        TEST(what_could_not_be_asked_is_due_when_the_store_is_back),
        TEST(answers_outlive_the_asker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
