/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "channel/log.h"
#include "channel/room.h"
#include "loop/loop.h"
#include "store/store_driver.h"
#include "wire/json.h"

enum { EVENTS_MAX = 4096 };

static struct loop *loop;
static struct rooms *rooms;
static struct channel_log *log_of_node;

/* A store that answers when the test says so, in any order. */
static struct {
    struct store store;
    struct list submitted;
    struct loop_task task;
    bool is_silent;      /* appends wait for store_complete */
    bool rolls_back;     /* appends get a seq but are not committed */
    int64_t head, floor; /* of channel "general" */
    const char *epoch;
    int64_t fork;
    unsigned page, failures, reads;
} fake;

static void write_event(struct buffer *out, int64_t seq, const char *epoch) {
    buffer_printf(out, "[\"message:new\",{\"seq\":%lld,\"epoch\":\"%s\"}]", (long long)seq, epoch);
}

static void answer_events(struct store_request *request) {
    fake.reads++;
    request->status = STORE_UNAVAILABLE;
    if (fake.failures > 0) {
        fake.failures--;
        return;
    }
    int64_t seq = request->events.seq;
    request->status = STORE_OK;
    request->events.fork_r = slice_is(request->events.epoch, fake.epoch) ? -1 : fake.fork;
    if (request->events.fork_r >= 0) seq = request->events.fork_r;
    if (seq < fake.floor) seq = request->events.floor_r = fake.floor;
    for (unsigned n = 0; seq < fake.head && n < fake.page; n++) {
        seq++;
        write_event(store_events_next(request, seq), seq, fake.epoch);
    }
    store_events_end(request);
    request->at.seq = fake.head;
    request->events.more_r = seq < fake.head;
}

static void answer(struct store_request *request) {
    if (request->op == STORE_EVENTS) {
        answer_events(request);
    } else {
        request->at.seq = fake.head + 1;
        write_event(&request->json, request->at.seq, fake.epoch);
        if (fake.rolls_back)
            request->status = STORE_FULL;
        else
            fake.head++;
    }
    snprintf(request->at.epoch, sizeof request->at.epoch, "%s", fake.epoch);
    request->done(request);
    store_request_free(&request);
}

static void fake_run(struct loop_task *task) {
    struct list batch, *link;
    list_init(&batch);
    list_splice(&batch, &fake.submitted);
    while ((link = list_pop(&batch))) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (fake.is_silent && request->op == STORE_APPEND)
            list_append(&fake.submitted, link);
        else
            answer(request);
    }
}

static void fake_submit(struct store *store, struct store_request *request) {
    list_append(&fake.submitted, &request->link);
    loop_post(loop, &fake.task);
}

static const struct store_ops fake_ops = {.submit = fake_submit};

/* alice's socket: the seqs that it received. */
static struct {
    struct receiver receiver;
    struct list memberships;
    int64_t seen[EVENTS_MAX];
    size_t len;
    struct membership *membership;
} alice;

static void alice_deliver(struct receiver *receiver, const struct room *room, struct packet *packet) {
    struct slice text = packet_bytes(packet, PACKET_POLL);
    const char *seq = memmem(text.ptr, text.len, "\"seq\":", 6);
    assert_non_null(seq);
    assert_true(alice.len < EVENTS_MAX);
    alice.seen[alice.len++] = strtoll(seq + 6, NULL, 10);
}
static const struct receiver_ops alice_ops = {alice_deliver};

static void join(void) {
    struct buffer name = {0};
    channel_room_name(&name, SLICE("general"));
    alice.membership =
        room_join(rooms, SLICE("/"), buffer_slice(&name), &alice.receiver, &alice.memberships, rooms_offset(rooms));
    buffer_done(&name);
}

static int set_up(void **state) {
    static const struct room_limits limits = {.window_ms = 60000, .max_events = 1000, .max_bytes = 1 << 20};
    loop = loop_new_with_fake_clock();
    rooms = rooms_new(loop, &limits);
    memset(&fake, 0, sizeof fake);
    fake.store.ops = &fake_ops;
    fake.epoch = "1-a";
    fake.page = STORE_EVENTS_MAX;
    list_init(&fake.submitted);
    loop_task_init(&fake.task, fake_run);
    log_of_node = channel_log_new(loop, &fake.store, rooms, NULL);
    memset(&alice, 0, sizeof alice);
    alice.receiver.ops = &alice_ops;
    list_init(&alice.memberships);
    channel_log_follow(log_of_node, SLICE("general"), 0, SLICE("1-a"));
    join();
    return 0;
}

static int tear_down(void **state) {
    channel_log_free(&log_of_node);
    fake.is_silent = false;
    loop_post(loop, &fake.task);
    loop_advance(loop, 1);
    rooms_free(&rooms);
    loop_free(&loop);
    return 0;
}

static void commit_of(int64_t seq, const char *epoch) {
    struct buffer event = {0};
    write_event(&event, seq, epoch);
    channel_log_committed(log_of_node, SLICE("general"), seq, slice_of(epoch), buffer_slice(&event));
    buffer_done(&event);
}

static void commit(int64_t seq) {
    commit_of(seq, "1-a");
}

/* It saw first, first + 1, … last, and nothing else. */
static void assert_saw(int64_t first, int64_t last) {
    assert_int_equal(alice.len, last - first + 1);
    for (size_t i = 0; i < alice.len; i++) assert_int_equal(alice.seen[i], first + (int64_t)i);
    assert_int_equal(channel_log_delivered(log_of_node, SLICE("general")), last);
}

static struct {
    unsigned answers;
    enum store_status status;
    int64_t seq;
    size_t alice_saw;
} sender;

static void sender_hears(struct store_request *request) {
    assert_ptr_equal(request->owner, &sender);
    assert_true(slice_is(request->channel_id, "general"));
    sender.answers++;
    sender.status = request->status;
    sender.seq = request->at.seq;
    sender.alice_saw = alice.len;
}

static void send_one(void) {
    struct store_request *request = store_request_new(STORE_APPEND, sender_hears, &sender);
    request->channel_id = store_request_copy(request, SLICE("general"));
    request->user_id = store_request_copy(request, SLICE("bob"));
    channel_log_append(log_of_node, &request);
    assert_null(request);
}

static void the_appender_hears_after_the_members(void **state) {
    memset(&sender, 0, sizeof sender);
    send_one();
    assert_int_equal(channel_log_pending(log_of_node), 1);
    assert_int_equal(sender.answers, 0);
    loop_advance(loop, 1);
    assert_saw(1, 1);
    assert_int_equal(sender.answers, 1);
    assert_int_equal(sender.status, STORE_OK);
    assert_int_equal(sender.seq, 1);
    assert_int_equal(sender.alice_saw, 1);
    assert_int_equal(channel_log_pending(log_of_node), 0);
}

/* Members get nothing of a rolled-back append. */
static void what_was_not_committed_reaches_nobody(void **state) {
    memset(&sender, 0, sizeof sender);
    fake.rolls_back = true;
    send_one();
    loop_advance(loop, 1);
    assert_int_equal(sender.status, STORE_FULL);
    assert_saw(1, 0);
    fake.rolls_back = false;
    send_one();
    loop_advance(loop, 1);
    assert_int_equal(sender.status, STORE_OK);
    assert_saw(1, 1);
}

/* Members see 1, 2, 3, … in whatever order the events come, each once. */
static void shuffled_commits_are_handed_out_in_order(void **state) {
    enum { COUNT = CHANNEL_HOLD_MAX };
    unsigned seed = 1;
    for (int round = 0; round < 20; round++) {
        int64_t order[COUNT], first = round * COUNT + 1;
        for (int i = 0; i < COUNT; i++) {
            int j = rand_r(&seed) % (i + 1);
            order[i] = order[j];
            order[j] = first + i;
        }
        alice.len = 0;
        for (int i = 0; i < COUNT; i++) {
            commit(order[i]);
            if (i % 3 == 0) commit(order[i / 2]);
        }
        assert_saw(first, first + COUNT - 1);
    }
    assert_int_equal(fake.reads, 0);
}

static void what_is_missing_is_read_after_the_hold(void **state) {
    commit(1);
    commit(4);
    commit(3);
    fake.head = 4;
    loop_advance(loop, CHANNEL_HOLD_MS - 1);
    assert_saw(1, 1);
    loop_advance(loop, 1);
    assert_saw(1, 4);
    assert_int_equal(fake.reads, 1);
    commit(2);
    commit(5);
    assert_saw(1, 5);
    loop_advance(loop, 60000);
    assert_int_equal(fake.reads, 1);
}

static void what_comes_in_time_is_not_read(void **state) {
    commit(2);
    loop_advance(loop, CHANNEL_HOLD_MS - 1);
    commit(1);
    loop_advance(loop, 60000);
    assert_saw(1, 2);
    assert_int_equal(fake.reads, 0);
}

/* More events are ahead of their turn than may be held: the store is asked at once, and nothing is lost. */
static void the_hold_is_bounded(void **state) {
    enum { COUNT = 2000 };
    fake.head = COUNT;
    fake.page = 300;
    for (int64_t seq = COUNT; seq > 1; seq--) commit(seq);
    assert_int_equal(alice.len, 0);
    loop_advance(loop, 1);
    assert_saw(1, COUNT);
    assert_true(fake.reads <= 7);
}

static void a_store_that_is_away_is_asked_again(void **state) {
    fake.head = 3;
    fake.failures = 5;
    commit(3);
    loop_advance(loop, CHANNEL_HOLD_MS);
    assert_int_equal(alice.len, 0);
    loop_advance(loop, 60000);
    assert_saw(1, 3);
    assert_int_equal(fake.reads, 6);
}

/* A replica that lags does not have it yet. */
static void a_store_that_lags_is_asked_again(void **state) {
    fake.head = 1;
    commit(3);
    loop_advance(loop, CHANNEL_HOLD_MS);
    assert_saw(1, 1);
    fake.head = 3;
    loop_advance(loop, 1000);
    assert_saw(1, 3);
}

static void what_is_trimmed_is_passed_over(void **state) {
    fake.head = 100;
    fake.floor = 50;
    commit(100);
    loop_advance(loop, CHANNEL_HOLD_MS);
    assert_saw(51, 100);
}

static void a_newer_epoch_is_entered_where_its_log_forks(void **state) {
    commit(1);
    commit(2);
    commit(9);
    fake.epoch = "2-b";
    fake.fork = 1;
    fake.head = 4;
    commit_of(4, "2-b"); /* the first event that arrives of the epoch is not its first */
    commit_of(3, "2-b");
    commit(10);
    loop_advance(loop, 1);
    static const int64_t expected[] = {1, 2, 2, 3, 4};
    assert_int_equal(alice.len, 5);
    assert_memory_equal(alice.seen, expected, sizeof expected);
    assert_int_equal(fake.reads, 1);
    commit_of(5, "an epoch that is far too long to be one");
    assert_int_equal(alice.len, 5);
}

static void a_newer_epoch_is_asked_for_until_it_can_be_read(void **state) {
    commit(1);
    fake.epoch = "2-b";
    fake.fork = 1;
    fake.head = 2;
    fake.failures = 3;
    commit_of(2, "2-b");
    loop_advance(loop, 2000);
    assert_saw(1, 2);
    assert_true(channel_log_is_in(log_of_node, SLICE("general"), SLICE("2-b")));
}

static void what_a_newer_epoch_brings_while_it_is_read_is_not_lost(void **state) {
    commit(1);
    fake.epoch = "2-b";
    fake.fork = 1;
    fake.head = 2;
    commit_of(3, "2-b"); /* the store answers as before */
    loop_advance(loop, 1);
    assert_saw(1, 2);
    fake.head = 3;
    loop_advance(loop, CHANNEL_HOLD_MS);
    assert_saw(1, 3);
}

static void a_fork_found_by_reading_is_followed(void **state) {
    commit(1);
    commit(2);
    commit(4);
    fake.epoch = "2-b";
    fake.fork = 1;
    fake.head = 3;
    loop_advance(loop, CHANNEL_HOLD_MS);
    static const int64_t expected[] = {1, 2, 2, 3};
    assert_int_equal(alice.len, 4);
    assert_memory_equal(alice.seen, expected, sizeof expected);
    assert_int_equal(channel_log_delivered(log_of_node, SLICE("general")), 3);
}

static void a_late_commit_is_unavailable_to_its_sender_and_reaches_the_members(void **state) {
    memset(&sender, 0, sizeof sender);
    int64_t stale = metric_get(METRIC_STALE, NULL);
    fake.is_silent = true;
    send_one();
    loop_advance(loop, CHANNEL_LOG_DEADLINE_MS - 1);
    assert_int_equal(sender.answers, 0);
    loop_advance(loop, 1);
    assert_int_equal(sender.answers, 1);
    assert_int_equal(sender.status, STORE_UNAVAILABLE);
    assert_int_equal(channel_log_pending(log_of_node), 1);
    fake.is_silent = false;
    loop_post(loop, &fake.task);
    loop_advance(loop, 1);
    assert_saw(1, 1);
    assert_int_equal(sender.answers, 1);
    assert_int_equal(metric_get(METRIC_STALE, NULL) - stale, 1);
    assert_int_equal(channel_log_pending(log_of_node), 0);
}

static void the_backlog_is_bounded(void **state) {
    memset(&sender, 0, sizeof sender);
    fake.is_silent = true;
    for (int i = 0; i < CHANNEL_LOG_PENDING_MAX + 5; i++) send_one();
    assert_int_equal(sender.answers, 0);
    assert_int_equal(channel_log_pending(log_of_node), CHANNEL_LOG_PENDING_MAX);
    loop_advance(loop, 1);
    assert_int_equal(sender.answers, 5);
    assert_int_equal(sender.status, STORE_UNAVAILABLE);
}

static void requests_outlive_the_log(void **state) {
    memset(&sender, 0, sizeof sender);
    fake.is_silent = true;
    send_one();
    commit(2);
    loop_advance(loop, CHANNEL_HOLD_MS - 1);
    channel_log_free(&log_of_node);
    fake.is_silent = false;
    loop_post(loop, &fake.task);
    loop_advance(loop, 1);
    assert_int_equal(sender.answers, 1);
    assert_int_equal(sender.status, STORE_OK);
    assert_int_equal(alice.len, 0);
}

static void a_channel_is_followed_while_someone_may_come_back(void **state) {
    commit(1);
    room_leave(rooms, &alice.membership);
    loop_advance(loop, 50000);
    commit(2);
    commit(3);
    assert_int_equal(channel_log_delivered(log_of_node, SLICE("general")), 3);
    room_join(rooms, SLICE("/"), SLICE("channel:general"), &alice.receiver, &alice.memberships, 0);
    assert_true(rooms_replay(rooms, &alice.memberships, &alice.receiver, 1, 100, 1 << 20));
    assert_saw(1, 3);
    alice.membership = room_membership(&alice.memberships, SLICE("channel:general"));
    room_leave(rooms, &alice.membership);
    loop_advance(loop, 200000);
    assert_int_equal(channel_log_delivered(log_of_node, SLICE("general")), -1);
    commit(4);
    assert_int_equal(channel_log_delivered(log_of_node, SLICE("general")), -1);
    assert_int_equal(fake.reads, 0);
}

static void following_twice_keeps_the_cursor(void **state) {
    commit(1);
    commit(2);
    channel_log_follow(log_of_node, SLICE("general"), 1, SLICE("1-a"));
    assert_int_equal(channel_log_delivered(log_of_node, SLICE("general")), 2);
    assert_int_equal(channel_log_delivered(log_of_node, SLICE("random")), -1);
    commit(2);
    assert_saw(1, 2);
}

static void a_room_joined_by_hand_follows_from_its_first_event(void **state) {
    struct buffer event = {0};
    room_join(rooms, SLICE("/"), SLICE("channel:random"), &alice.receiver, &alice.memberships, 0);
    write_event(&event, 7, "1-a");
    channel_log_committed(log_of_node, SLICE("random"), 7, SLICE("1-a"), buffer_slice(&event));
    channel_log_committed(log_of_node, SLICE("empty"), 7, SLICE("1-a"), buffer_slice(&event));
    buffer_done(&event);
    assert_int_equal(channel_log_delivered(log_of_node, SLICE("random")), 7);
    assert_int_equal(channel_log_delivered(log_of_node, SLICE("empty")), -1);
    assert_int_equal(alice.len, 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_appender_hears_after_the_members),
        TEST(what_was_not_committed_reaches_nobody),
        TEST(shuffled_commits_are_handed_out_in_order),
        TEST(what_is_missing_is_read_after_the_hold),
        TEST(what_comes_in_time_is_not_read),
        TEST(the_hold_is_bounded),
        TEST(a_store_that_is_away_is_asked_again),
        TEST(a_store_that_lags_is_asked_again),
        TEST(what_is_trimmed_is_passed_over),
        TEST(a_newer_epoch_is_entered_where_its_log_forks),
        TEST(a_newer_epoch_is_asked_for_until_it_can_be_read),
        TEST(what_a_newer_epoch_brings_while_it_is_read_is_not_lost),
        TEST(a_fork_found_by_reading_is_followed),
        TEST(a_late_commit_is_unavailable_to_its_sender_and_reaches_the_members),
        TEST(the_backlog_is_bounded),
        TEST(requests_outlive_the_log),
        TEST(a_channel_is_followed_while_someone_may_come_back),
        TEST(following_twice_keeps_the_cursor),
        TEST(a_room_joined_by_hand_follows_from_its_first_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
