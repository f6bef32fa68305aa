/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that report to each other who is online: what members see when the bus loses, doubles or delays messages. */
#include "support/presence_sync_scene.h"

static void members_see_each_other_wherever_they_are(void **state) {
    come(&workers[0], "alice");
    loop_advance(scene_loop, SOON_MS);
    come(&workers[1], "bob");
    loop_advance(scene_loop, SOON_MS);
    assert_string_equal(news(&workers[0]), "alice+ bob+ ");
    assert_int_equal(count(&workers[1]), 2);
    go(&workers[1], "bob");
    loop_advance(scene_loop, GRACE_MS - 1);
    assert_string_equal(news(&workers[0]), "");
    loop_advance(scene_loop, SOON_MS);
    assert_string_equal(news(&workers[0]), "bob- ");
    assert_true(sees(&workers[0], "bob", "offline"));
    assert_string_equal(buffer_slice(&workers[0].lost).len ? "told" : "", ""); /* bob's own worker tells the store */
}

static void a_worker_without_members_hears_nothing(void **state) {
    unsigned before = fake_bus_received(workers[2].bus);
    come(&workers[0], "alice");
    come(&workers[1], "bob");
    loop_advance(scene_loop, 60000);
    assert_int_equal(fake_bus_received(workers[2].bus), before);
}

static void who_stays_does_not_keep_those_who_went(void **state) {
    all_come();
    go(&workers[1], "bob");
    for (int i = 0; i < 20; i++) {
        say_status(&workers[0], "alice", i % 2 ? "away" : "busy");
        loop_advance(scene_loop, 1000);
    }
    assert_int_equal(count(&workers[0]), 2);
    assert_int_equal(count(&workers[2]), 2);
}

static void a_device_on_another_worker_keeps_the_user_online(void **state) {
    all_come();
    come_to(&workers[1], "alice", "phone", "lobby");
    loop_advance(scene_loop, SOON_MS);
    go(&workers[0], "alice");
    loop_advance(scene_loop, 60000);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_string_equal(news(&workers[i]), "");
        assert_true(sees(&workers[i], "alice", "online"));
    }
    presence_disconnected(workers[1].presence, SLICE("alice"), SLICE("phone"));
    loop_advance(scene_loop, GRACE_MS + SOON_MS);
    for (size_t i = 0; i < WORKERS; i++) assert_string_equal(news(&workers[i]), "alice- ");
}

static void idle_users_stay_online(void **state) {
    all_come();
    loop_advance(scene_loop, 10 * 60 * 1000);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_string_equal(news(&workers[i]), "");
        assert_int_equal(count(&workers[i]), 3);
    }
}

static void a_count_never_drifts_whatever_the_bus_loses_and_doubles(void **state) {
    ether.drop_percent = 30;
    ether.double_percent = 30;
    ether.delay_ms = 300;
    unsigned seed = 7;
    bool is_here[12] = {false};
    for (int step = 0; step < 300; step++) {
        unsigned i = (unsigned)rand_r(&seed) % 12;
        char name[8];
        snprintf(name, sizeof name, "u%u", i);
        if (is_here[i])
            go(&workers[i % WORKERS], name);
        else
            come(&workers[i % WORKERS], name);
        is_here[i] = !is_here[i];
        loop_advance(scene_loop, 300);
    }
    for (size_t i = 0; i < WORKERS; i++) come(&workers[i], "dave"); /* every worker listens to the end */
    ether.drop_percent = 0;
    loop_advance(scene_loop, GRACE_MS + 3 * PRESENCE_SYNC_DIGEST_MS);
    size_t here = 1;
    for (size_t i = 0; i < 12; i++) here += is_here[i];
    for (size_t i = 0; i < WORKERS; i++) assert_int_equal(count(&workers[i]), here);
}

static void what_was_lost_last_comes_with_a_digest(void **state) {
    all_come();
    ether.drop_percent = 100;
    come(&workers[0], "dave");
    loop_advance(scene_loop, SOON_MS);
    ether.drop_percent = 0;
    assert_int_equal(count(&workers[1]), 3);
    loop_advance(scene_loop, PRESENCE_SYNC_DIGEST_MS + 2 * SOON_MS);
    assert_string_equal(news(&workers[1]), "dave+ ");
    assert_int_equal(count(&workers[2]), 4);
}

/* The state has declared a worker dead. */
static void users_of_a_dead_worker_leave_once_unless_they_came_back(void **state) {
    all_come();
    come_to(&workers[2], "dave", "d", "lobby");
    come(&workers[2], "erin");
    loop_advance(scene_loop, SOON_MS);
    forget_news();
    struct buffer id = {0};
    buffer_append_slice(&id, bus_worker_id(workers[2].bus));
    worker_end(&workers[2]);
    worker_begin(&workers[2]); /* its place is taken at once */
    loop_advance(scene_loop, 10);
    presence_sync_gone(workers[0].presence_sync, buffer_slice(&id));
    presence_sync_gone(workers[1].presence_sync, buffer_slice(&id));
    buffer_done(&id);
    loop_advance(scene_loop, 1000);
    assert_string_equal(news(&workers[0]), "");
    come(&workers[1], "dave");
    come(&workers[2], "erin");
    loop_advance(scene_loop, 990 + TICK_MS);
    assert_string_equal(news(&workers[0]), "carol- ");
    assert_string_equal(news(&workers[1]), "carol- ");
    loop_advance(scene_loop, 60000);
    assert_string_equal(news(&workers[0]), "");
    assert_int_equal(count(&workers[0]), 4);
    assert_int_equal(count(&workers[2]), 4);
    assert_string_equal(workers[0].lost.ptr, "carol "); /* nobody else tells the store */
}

/* G7: a worker that takes the place of a dead one is enough. */
static void a_killed_workers_user_is_offline_within_2_s(void **state) {
    all_come();
    worker_end(&workers[2]);
    worker_begin(&workers[2]);
    loop_advance(scene_loop, 2000);
    assert_string_equal(news(&workers[0]), "carol- ");
    assert_string_equal(news(&workers[1]), "carol- ");
}

/* One worker after the other ends well; its clients come back elsewhere within the grace. */
static void a_deploy_is_no_absence(void **state) {
    all_come();
    for (size_t i = 0; i < WORKERS; i++) {
        static const char *const names[] = {"alice", "bob", "carol"};
        struct buffer id = {0};
        buffer_append_slice(&id, bus_worker_id(workers[i].bus));
        presence_sync_farewell(workers[i].presence_sync);
        loop_advance(scene_loop, 10);
        go(&workers[i], names[i]);
        loop_advance(scene_loop, 500);
        worker_end(&workers[i]);
        worker_begin(&workers[i]);
        for (size_t j = 0; j < WORKERS; j++)
            if (j != i) presence_sync_gone(workers[j].presence_sync, buffer_slice(&id));
        buffer_done(&id);
        loop_advance(scene_loop, 3000);
        come(&workers[i], names[i]);
        loop_advance(scene_loop, 60000);
        for (size_t j = 0; j < WORKERS; j++) {
            if (j != i) assert_string_equal(news(&workers[j]), "");
        }
        assert_int_equal(count(&workers[i]), 3);
        forget_news();
    }
}

/* G7: presence does not change until Redis is back; then it is right at once. */
static void while_redis_is_away_presence_stands_still(void **state) {
    struct buffer id = {0};
    all_come();
    buffer_append_slice(&id, bus_worker_id(workers[2].bus));
    fake_ether_set_down(&ether, true);
    presence_sync_gone(workers[0].presence_sync, buffer_slice(&id)); /* it was heard just before */
    buffer_done(&id);
    come(&workers[1], "dave");
    loop_advance(scene_loop, 120000);
    assert_string_equal(news(&workers[0]), "");
    fake_ether_set_down(&ether, false);
    loop_advance(scene_loop, SOON_MS);
    assert_string_equal(news(&workers[0]), "dave+ ");
    assert_int_equal(count(&workers[2]), 4);
}

/* N4: a node was suspended and declared dead by the others; then it sends and receives again. */
static void who_was_thought_dead_is_heard_again(void **state) {
    all_come();
    struct slice id = bus_worker_id(workers[2].bus);
    ether.drop_percent = 100;
    presence_sync_gone(workers[0].presence_sync, id);
    presence_sync_gone(workers[1].presence_sync, id);
    loop_advance(scene_loop, 9000);
    ether.drop_percent = 0;
    assert_string_equal(news(&workers[0]), "carol- ");
    loop_advance(scene_loop, PRESENCE_SYNC_DIGEST_MS + 2 * SOON_MS);
    assert_string_equal(news(&workers[0]), "carol+ ");
    assert_int_equal(count(&workers[2]), 3);
}

static void a_users_status_holds_on_all_their_devices(void **state) {
    all_come();
    come_to(&workers[1], "alice", "phone", "lobby");
    loop_advance(scene_loop, SOON_MS);
    say_status(&workers[0], "alice", "busy");
    loop_advance(scene_loop, SOON_MS);
    for (size_t i = 0; i < WORKERS; i++) assert_true(sees(&workers[i], "alice", "busy"));
    say_status(&workers[1], "alice", "away");
    loop_advance(scene_loop, SOON_MS);
    for (size_t i = 0; i < WORKERS; i++) assert_true(sees(&workers[i], "alice", "away"));
}

/* Not even for a moment, when a second device connects to a worker that does not know the status. */
static void the_invisible_are_seen_by_nobody_on_any_worker(void **state) {
    all_come();
    say_status(&workers[0], "alice", "invisible");
    loop_advance(scene_loop, SOON_MS);
    for (size_t i = 0; i < WORKERS; i++) assert_string_equal(news(&workers[i]), "alice- ");
    come_to(&workers[1], "alice", "phone", "lobby");
    loop_advance(scene_loop, 60000);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_string_equal(news(&workers[i]), "");
        assert_true(sees(&workers[i], "alice", "offline"));
    }
}

static void what_is_said_at_once_on_a_second_device_is_the_latest(void **state) {
    all_come();
    say_status(&workers[0], "alice", "busy");
    say_status(&workers[0], "alice", "away");
    loop_advance(scene_loop, SOON_MS);
    come_to(&workers[1], "alice", "phone", "den");
    say_status(&workers[1], "alice", "online");
    loop_advance(scene_loop, SOON_MS);
    for (size_t i = 0; i < WORKERS; i++) assert_true(sees(&workers[i], "alice", "online"));
}

static void who_comes_anew_has_said_nothing(void **state) {
    all_come();
    say_status(&workers[0], "alice", "busy");
    loop_advance(scene_loop, SOON_MS);
    go(&workers[0], "alice");
    loop_advance(scene_loop, GRACE_MS);
    come(&workers[0], "alice");
    loop_advance(scene_loop, SOON_MS);
    for (size_t i = 0; i < WORKERS; i++) assert_true(sees(&workers[i], "alice", "online"));
}

static void of_a_large_channel_only_counts_are_told(void **state) {
    all_come();
    for (int i = 0; i < 20; i++) {
        char name[8];
        snprintf(name, sizeof name, "u%d", i);
        come(&workers[0], name);
    }
    loop_advance(scene_loop, SOON_MS);
    assert_string_equal(news(&workers[1]), "=23 ");
    assert_int_equal(count(&workers[1]), 23);
}

/* A live worker was declared dead: its next message arrives before its users are reported offline. */
static void who_is_heard_in_time_has_never_gone(void **state) {
    all_come();
    presence_sync_gone(workers[0].presence_sync, bus_worker_id(workers[2].bus));
    come(&workers[2], "dave");
    loop_advance(scene_loop, 60000);
    assert_string_equal(news(&workers[0]), "dave+ ");
    assert_int_equal(count(&workers[0]), 4);
}

/* Redis confirmed the worker's subscription late: the worker had reported its own users before. */
static void a_new_follower_hears_of_users_who_came_before(void **state) {
    ether.subscribe_ms = PRESENCE_SYNC_SETTLE_MS + 2 * PRESENCE_SYNC_TICK_MS;
    come(&workers[0], "alice");
    loop_advance(scene_loop, SOON_MS);
    come(&workers[1], "bob");
    loop_advance(scene_loop, SOON_MS);
    assert_int_equal(count(&workers[1]), 2);
    assert_int_equal(count(&workers[0]), 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, presence_sync_set_up, presence_sync_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(members_see_each_other_wherever_they_are),
        TEST(a_worker_without_members_hears_nothing),
        TEST(who_stays_does_not_keep_those_who_went),
        TEST(a_device_on_another_worker_keeps_the_user_online),
        TEST(idle_users_stay_online),
        TEST(a_count_never_drifts_whatever_the_bus_loses_and_doubles),
        TEST(what_was_lost_last_comes_with_a_digest),
        TEST(users_of_a_dead_worker_leave_once_unless_they_came_back),
        TEST(a_killed_workers_user_is_offline_within_2_s),
        TEST(who_is_heard_in_time_has_never_gone),
        TEST(a_deploy_is_no_absence),
        TEST(while_redis_is_away_presence_stands_still),
        TEST(who_was_thought_dead_is_heard_again),
        TEST(a_users_status_holds_on_all_their_devices),
        TEST(the_invisible_are_seen_by_nobody_on_any_worker),
        TEST(what_is_said_at_once_on_a_second_device_is_the_latest),
        TEST(who_comes_anew_has_said_nothing),
        TEST(of_a_large_channel_only_counts_are_told),
        TEST(a_new_follower_hears_of_users_who_came_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
