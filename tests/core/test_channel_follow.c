/* SPDX-License-Identifier: Apache-2.0 */
/* Joining a channel without a gap, over a store controlled by the test. */
#include "session/channel_follow.h"

#include "channel/log.h"
#include "inside/inside.h"
#include "presence/presence.h"
#include "presence/presence_sight.h"
#include "session/socket_rooms.h"
#include "store/store_driver.h"
#include "support/hub_scene.h"

static struct person alice;
static struct channel_log *log_of_node;
static struct presence *presence;

/* A store with one channel of numbered events, which answers reads when the test says so. */
static struct fake_store {
    struct store store;
    int64_t head, fork; /* fork: where this epoch's log left the earlier one */
    const char *epoch;
    struct list waiting;
} fake;

static void fake_submit(struct store *store, struct store_request *request) {
    list_append(&fake.waiting, &request->link);
}

static void fake_close(struct store *store, unsigned deadline_ms) {}

static const struct store_ops fake_ops = {.submit = fake_submit, .close = fake_close};

static void write_event(struct buffer *out, int64_t seq) {
    buffer_printf(out, "[\"message:new\",{\"seq\":%d}]", (int)seq);
}

static void fake_read(struct store_request *request) {
    request->status = STORE_OK;
    request->at.seq = fake.head;
    snprintf(request->at.epoch, sizeof request->at.epoch, "%s", fake.epoch);
    if (request->op != STORE_EVENTS) return;
    request->events.fork_r = slice_is(request->events.epoch, fake.epoch) ? -1 : fake.fork;
    int64_t since = request->events.fork_r >= 0 ? request->events.fork_r : request->events.seq;
    for (int64_t seq = since + 1; seq <= fake.head; seq++) write_event(store_events_next(request, seq), seq);
    store_events_end(request);
}

/* Answers the oldest read with the channel's present events. */
static void store_answers(void) {
    struct list *link = list_pop(&fake.waiting);
    assert_non_null(link);
    struct store_request *request = CONTAINER(link, struct store_request, link);
    fake_read(request);
    request->done(request);
    store_request_free(&request);
    turn();
}

/* Fails the oldest read. */
static void store_fails(void) {
    struct list *link = list_pop(&fake.waiting);
    assert_non_null(link);
    struct store_request *request = CONTAINER(link, struct store_request, link);
    request->status = STORE_UNAVAILABLE;
    request->done(request);
    store_request_free(&request);
    turn();
}

static void commit(void) {
    struct buffer event = {0};
    write_event(&event, ++fake.head);
    channel_log_committed(log_of_node, SLICE("c"), fake.head, SLICE("1-a"), buffer_slice(&event));
    buffer_done(&event);
    turn();
}

static void changed(void *owner, struct slice channel_id, struct slice users, size_t online) {}

static int begin(void **state) {
    static const struct presence_settings settings = {.grace_ms = 5000, .tick_ms = 200, .names_max = 10};
    static const struct presence_events presence_events = {.changed = changed};
    set_up(state);
    presence = presence_new(loop, &settings, &presence_events, NULL);
    hub_set_presence(hub, presence);
    list_init(&fake.waiting);
    fake.store.ops = &fake_ops;
    fake.head = 3;
    fake.fork = -1;
    fake.epoch = "1-a";
    log_of_node = channel_log_new(loop, &fake.store, rooms, NULL);
    comes_as(&alice, "alice");
    return 0;
}

static int end(void **state) {
    struct list *link;
    goes(&alice);
    while ((link = list_pop(&fake.waiting))) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        request->status = STORE_UNAVAILABLE;
        request->done(request);
        store_request_free(&request);
    }
    channel_log_free(&log_of_node);
    tear_down_hub();
    presence_free(&presence);
    return tear_down(state);
}

/* The answer of the follow, as an acknowledgement would carry it. */
static char answer[512];

static void followed(void *owner, const struct channel_follow_result *result) {
    snprintf(answer, sizeof answer, "%s seq %d events %.*s gap %d-%d", store_status_code(result->status),
             (int)result->seq, SLICE_ARG(result->events), (int)result->gap_from, (int)result->gap_to);
}

/* Within an event, so that live ones are held until it is answered. */
static void joins_in(int64_t since, const char *epoch) {
    answer[0] = 0;
    says(&alice, "421[\"slow\"]");
    channel_follow_channel(hub, log_of_node, &fake.store, slice_of(alice.sid), SLICE("c"), since, slice_of(epoch),
                           followed, NULL);
}

static void joins(int64_t since) {
    joins_in(since, "1-a");
}

static void leaves_the_event(void) {
    scene_answer(POLICY_OK, "[]");
    turn();
    assert_hears(&alice, "431[]");
}

static void an_unfollowed_channel_is_joined_at_the_head_of_the_store(void **state) {
    joins(1);
    store_answers();
    assert_string_equal(answer,
                        "ok seq 3 events [[\"message:new\",{\"seq\":2}],[\"message:new\",{\"seq\":3}]] gap 0-0");
    commit();
    leaves_the_event();
    assert_hears_event(&alice, "42[\"message:new\",{\"seq\":4}]");
}

static void what_is_committed_while_the_tail_is_read_comes_once(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    joins(2);
    commit(); /* live, held; the read sees it too */
    store_answers();
    assert_string_equal(answer, "ok seq 3 events [[\"message:new\",{\"seq\":3}]] gap 0-0");
    leaves_the_event();
    assert_hears_event(&alice, "42[\"message:new\",{\"seq\":4}]");
    assert_null(hears(&alice));
}

static void what_comes_while_the_tail_cannot_be_read_is_not_handed_out(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    joins(2);
    commit();
    store_fails();
    assert_string_equal(answer, "unavailable seq 0 events  gap 0-0");
    leaves_the_event();
    assert_null(hears(&alice));
    joins(2);
    store_answers();
    assert_string_equal(answer,
                        "ok seq 4 events [[\"message:new\",{\"seq\":3}],[\"message:new\",{\"seq\":4}]] gap 0-0");
    leaves_the_event();
    assert_null(hears(&alice));
}

/* The user was on another worker, which was ahead of this one. */
static void who_has_more_than_this_worker_gets_nothing_twice(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    fake.head = 5;
    joins(5);
    store_answers();
    assert_string_equal(answer, "");
    store_answers(); /* the log's read */
    store_answers();
    store_answers(); /* the tail up to the seq at which the user joined */
    assert_string_equal(answer, "ok seq 5 events [] gap 0-0");
    commit();
    leaves_the_event();
    assert_hears_event(&alice, "42[\"message:new\",{\"seq\":6}]");
    assert_null(hears(&alice));
}

/* The tail and the live events come from two epochs: their seqs do not continue each other. */
static void a_join_is_refused_until_the_log_enters_the_stores_epoch(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    fake.epoch = "2-b";
    joins(3);
    store_answers();
    assert_string_equal(answer, "unavailable seq 0 events  gap 0-0");
    store_answers(); /* the log's own read */
    leaves_the_event();
    joins(3);
    store_answers();
    assert_string_equal(answer, "ok seq 3 events [] gap 0-0");
    leaves_the_event();
}

/* The log enters it before the answer comes, but after the socket has joined. */
static void an_epoch_that_begins_during_a_join_makes_it_unavailable(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    joins(3);
    struct list *link = list_pop(&fake.waiting);
    fake.epoch = "2-b";
    channel_log_committed(log_of_node, SLICE("c"), 4, SLICE("2-b"), SLICE("[\"message:new\",{\"seq\":4}]"));
    fake.head = 4;
    store_answers(); /* the log's read */
    list_append(&fake.waiting, link);
    store_answers();
    assert_string_equal(answer, "unavailable seq 0 events  gap 0-0");
    leaves_the_event();
}

/* The user was on another worker, which entered the next epoch earlier. */
static void a_client_ahead_of_the_workers_epoch_hears_nothing_twice(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    fake.epoch = "2-b";
    fake.fork = 1;
    fake.head = 2;
    joins_in(2, "2-b");
    struct list *follow = list_pop(&fake.waiting);
    channel_log_committed(log_of_node, SLICE("c"), 2, SLICE("2-b"), SLICE("[\"message:new\",{\"seq\":2}]"));
    store_answers(); /* the log's read: it enters the epoch and hands out 2 */
    list_append(&fake.waiting, follow);
    while (!list_empty(&fake.waiting)) store_answers();
    assert_string_equal(answer, "ok seq 2 events [] gap 0-0");
    leaves_the_event();
    assert_null(hears(&alice));
}

/* The commit's own notice was dropped, because nobody followed the channel when it came. */
static void a_commit_between_the_read_and_the_join_is_not_lost(void **state) {
    joins(-1);
    struct store_request *read = CONTAINER(fake.waiting.next, struct store_request, link);
    list_remove(&read->link);
    fake_read(read); /* sees 3 */
    fake.head = 4;   /* committed without a notice */
    read->done(read);
    store_request_free(&read);
    assert_string_equal(answer, "ok seq 3 events [] gap 0-0");
    store_answers(); /* the read after the join */
    leaves_the_event();
    assert_hears_event(&alice, "42[\"message:new\",{\"seq\":4}]");
}

static void assert_status(enum store_status status) {
    char expected[64];
    snprintf(expected, sizeof expected, "%s ", store_status_code(status));
    assert_memory_equal(answer, expected, strlen(expected));
}

static void a_socket_that_goes_meanwhile_makes_it_unavailable(void **state) {
    joins(1);
    local_client_leave(alice.client);
    turn();
    store_answers();
    assert_status(STORE_UNAVAILABLE);
}

static size_t online(void) {
    struct buffer users = {0};
    size_t count = presence_write_channel(presence, SLICE("c"), 10, &users);
    buffer_done(&users);
    return count;
}

/* All join while the log follows the channel already, as after an interruption of the network. */
static void a_connection_that_breaks_while_its_channel_is_read_leaves_nobody_online(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    joins(2);
    assert_true(socket_is_in(socket_of(&alice), SLICE("channel:c")));
    local_client_leave(alice.client);
    turn();
    store_answers();
    assert_status(STORE_UNAVAILABLE);
    assert_int_equal(online(), 0);
    loop_advance(loop, 6000);
    assert_int_equal(presence_connections(presence, SLICE("alice")), 0);
    struct person again = {0};
    snprintf(again.pid, sizeof again.pid, "%s", alice.pid);
    comes_back_as(&again, "alice", false);
    assert_non_null(strstr(hears(&again), alice.sid));
    assert_false(socket_is_in(socket_of(&alice), SLICE("channel:c"))); /* it was never told that it has joined */
    assert_int_equal(online(), 0);
    goes(&again);
}

/* The same, and the client is back before the store answers. */
static void an_answer_for_an_ended_connection_leaves_the_next_one_alone(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    joins(2);
    local_client_leave(alice.client);
    turn();
    struct person again = {0};
    snprintf(again.pid, sizeof again.pid, "%s", alice.pid);
    snprintf(again.sid, sizeof again.sid, "%s", alice.sid);
    comes_back_as(&again, "alice", false);
    store_answers();
    assert_status(STORE_UNAVAILABLE);
    assert_false(socket_is_in(socket_of(&again), SLICE("channel:c")));
    assert_int_equal(online(), 0);
    goes(&again);
}

static void who_follows_is_online_until_the_connection_ends_whatever_leaves_the_room(void **state) {
    joins(1);
    store_answers();
    leaves_the_event();
    assert_int_equal(online(), 1);
    socket_leave(socket_of(&alice), SLICE("channel:c")); /* as another server does it */
    loop_advance(loop, 6000);
    assert_int_equal(online(), 0);
    assert_int_equal(presence_connections(presence, SLICE("alice")), 1);
    local_client_leave(alice.client);
    turn();
    assert_int_equal(presence_connections(presence, SLICE("alice")), 0);
}

static void who_is_taken_out_while_the_channel_is_read_has_not_joined(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    joins(2);
    socket_leave(socket_of(&alice), SLICE("channel:c"));
    store_answers();
    assert_status(STORE_UNAVAILABLE);
    assert_int_equal(online(), 0);
    leaves_the_event();
}

static void a_user_removed_before_the_join_does_not_join(void **state) {
    joins(2);
    socket_leave(socket_of(&alice), SLICE("channel:c"));
    store_answers();
    assert_status(STORE_UNAVAILABLE);
    assert_false(socket_is_in(socket_of(&alice), SLICE("channel:c")));
    leaves_the_event();
}

/* Two tasks of one script; the store fails the first. */
static void a_join_that_fails_does_not_undo_another_that_did_not(void **state) {
    channel_log_follow(log_of_node, SLICE("c"), 3, SLICE("1-a"));
    joins(2);
    struct list *first = list_pop(&fake.waiting);
    channel_follow_channel(hub, log_of_node, &fake.store, slice_of(alice.sid), SLICE("c"), 3, SLICE("1-a"), followed,
                           NULL);
    store_answers();
    assert_status(STORE_OK);
    struct store_request *request = CONTAINER(first, struct store_request, link);
    request->status = STORE_UNAVAILABLE;
    request->done(request);
    store_request_free(&request);
    assert_status(STORE_UNAVAILABLE);
    assert_true(socket_is_in(socket_of(&alice), SLICE("channel:c")));
    assert_int_equal(online(), 1);
    leaves_the_event();
}

/* The worker ends before the store answers. */
static void an_answer_after_the_hub_has_gone_touches_nothing(void **state) {
    joins(1);
    goes(&alice);
    tear_down_hub();
    store_answers();
    assert_status(STORE_UNAVAILABLE);
}

#define SCENE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE(an_unfollowed_channel_is_joined_at_the_head_of_the_store),
        SCENE(what_is_committed_while_the_tail_is_read_comes_once),
        SCENE(a_commit_between_the_read_and_the_join_is_not_lost),
        SCENE(what_comes_while_the_tail_cannot_be_read_is_not_handed_out),
        SCENE(who_has_more_than_this_worker_gets_nothing_twice),
        SCENE(a_join_is_refused_until_the_log_enters_the_stores_epoch),
        SCENE(a_client_ahead_of_the_workers_epoch_hears_nothing_twice),
        SCENE(an_epoch_that_begins_during_a_join_makes_it_unavailable),
        SCENE(a_socket_that_goes_meanwhile_makes_it_unavailable),
        SCENE(a_connection_that_breaks_while_its_channel_is_read_leaves_nobody_online),
        SCENE(an_answer_for_an_ended_connection_leaves_the_next_one_alone),
        SCENE(who_follows_is_online_until_the_connection_ends_whatever_leaves_the_room),
        SCENE(who_is_taken_out_while_the_channel_is_read_has_not_joined),
        SCENE(a_user_removed_before_the_join_does_not_join),
        SCENE(a_join_that_fails_does_not_undo_another_that_did_not),
        SCENE(an_answer_after_the_hub_has_gone_touches_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
