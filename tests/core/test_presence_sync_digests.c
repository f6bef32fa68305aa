/* SPDX-License-Identifier: Apache-2.0 */
/* How two workers compare their reports to each other: what it costs, and that nothing stays lost. */
#include <string.h>

#include "channel/topic.h"
#include "presence/presence_sight.h"
#include "support/presence_sync_scene.h"

static void come_to_many(struct sync_worker *worker, const char *user, unsigned channels) {
    for (unsigned i = 0; i < channels; i++) {
        char channel[16];
        snprintf(channel, sizeof channel, "c%u", i);
        come_to(worker, user, user, channel);
    }
}

static unsigned received_by_all(void) {
    unsigned received = 0;
    for (size_t i = 0; i < WORKERS; i++) received += fake_bus_received(workers[i].bus);
    return received;
}

/* A digest for each pair of workers, and a few channels that are announced. */
static void quiet_channels_cost_the_same_however_many_they_are(void **state) {
    enum {
        CHANNELS = 500,
        INTERVALS = 6,
        PAIRS = WORKERS * (WORKERS - 1),
        ANNOUNCED = 5 * PRESENCE_SYNC_DIGEST_MS / 1000
    };
    static const char *const names[] = {"alice", "bob", "carol"};
    for (size_t i = 0; i < WORKERS; i++) come_to_many(&workers[i], names[i], CHANNELS);
    loop_advance(scene_loop, 2 * PRESENCE_SYNC_DIGEST_MS);
    unsigned before = received_by_all();
    loop_advance(scene_loop, INTERVALS * PRESENCE_SYNC_DIGEST_MS);
    assert_in_range(received_by_all() - before, (INTERVALS - 1) * PAIRS, (INTERVALS + 1) * PAIRS * (1 + ANNOUNCED));
}

static void a_digest_repairs_what_was_lost_in_some_channels(void **state) {
    enum { CHANNELS = 500, STEP = 100 };
    come_to_many(&workers[0], "alice", CHANNELS);
    come_to_many(&workers[1], "bob", CHANNELS);
    loop_advance(scene_loop, 2 * PRESENCE_SYNC_DIGEST_MS);
    ether.drop_percent = 100;
    for (unsigned i = 0; i < CHANNELS; i += STEP) {
        char channel[16];
        snprintf(channel, sizeof channel, "c%u", i);
        come_to(&workers[0], "dave", "dave", channel);
    }
    loop_advance(scene_loop, SOON_MS);
    ether.drop_percent = 0;
    loop_advance(scene_loop, PRESENCE_SYNC_DIGEST_MS + 2 * SOON_MS);
    for (unsigned i = 0; i < CHANNELS; i += STEP) {
        char channel[16];
        struct buffer out = {0};
        snprintf(channel, sizeof channel, "c%u", i);
        assert_int_equal(presence_write_channel(workers[1].presence, slice_of(channel), 100, &out), 3);
        buffer_done(&out);
    }
}

/* Each worker lost the other's question and all its reports. */
static void workers_that_never_heard_of_each_other_find_each_other(void **state) {
    ether.drop_percent = 100;
    come(&workers[0], "alice");
    come(&workers[1], "bob");
    loop_advance(scene_loop, 5 * SOON_MS);
    ether.drop_percent = 0;
    loop_advance(scene_loop, PRESENCE_SYNC_DIGEST_MS);
    assert_int_equal(count(&workers[0]), 2);
    assert_int_equal(count(&workers[1]), 2);
}

enum { MANY = 40, STEPS = 400 };

static void channel_of(unsigned i, struct buffer *topic, char channel[16]) {
    snprintf(channel, 16, "c%u", i);
    buffer_clear(topic);
    topic_write_channel(topic, slice_of(channel));
}

/* The worker's user joins or leaves the channel. unfollows: after the grace the worker stops listening to some of the
 * channels that were left. */
static void toggle(unsigned at, unsigned i, bool is_in[WORKERS][MANY], bool unfollows) {
    static const char *const names[] = {"alice", "bob", "carol"};
    struct sync_worker *worker = &workers[at];
    struct buffer topic = {0};
    char channel[16];
    channel_of(i, &topic, channel);
    if (!is_in[at][i]) {
        come_to(worker, names[at], names[at], channel);
    } else {
        presence_left(worker->presence, slice_of(channel), slice_of(names[at]), slice_of(names[at]));
        if (unfollows) {
            bus_unsubscribe(worker->bus, buffer_slice(&topic));
            presence_sync_unfollow(worker->presence_sync, slice_of(channel));
        }
    }
    is_in[at][i] = !is_in[at][i];
    buffer_done(&topic);
}

static void assert_all_know(unsigned i, bool is_in[WORKERS][MANY]) {
    char channel[16];
    struct buffer topic = {0};
    channel_of(i, &topic, channel);
    size_t here = 0;
    for (size_t at = 0; at < WORKERS; at++) here += is_in[at][i];
    for (size_t at = 0; at < WORKERS; at++) {
        struct buffer out = {0};
        size_t online = presence_write_channel(workers[at].presence, slice_of(channel), 100, &out);
        if (is_in[at][i]) assert_int_equal(online, here);
        buffer_done(&out);
    }
    buffer_done(&topic);
}

/* Afterwards no sums differ: what one worker told equals what the other heard. */
static void whatever_was_lost_in_many_channels_all_workers_agree_in_the_end(void **state) {
    static bool is_in[WORKERS][MANY];
    memset(is_in, 0, sizeof is_in);
    unsigned seed = 11;
    ether.drop_percent = 40;
    ether.double_percent = 20;
    ether.delay_ms = 300;
    for (int step = 0; step < STEPS; step++) {
        toggle((unsigned)rand_r(&seed) % WORKERS, (unsigned)rand_r(&seed) % MANY, is_in, rand_r(&seed) % 2);
        loop_advance(scene_loop, (unsigned)rand_r(&seed) % 1000);
    }
    ether.drop_percent = ether.double_percent = 0;
    loop_advance(scene_loop, GRACE_MS + 4 * PRESENCE_SYNC_DIGEST_MS);
    for (unsigned i = 0; i < MANY; i++) assert_all_know(i, is_in);
    for (size_t i = 0; i < WORKERS; i++) workers[i].compared = 0;
    loop_advance(scene_loop, 3 * PRESENCE_SYNC_DIGEST_MS);
    for (size_t i = 0; i < WORKERS; i++) assert_int_equal(workers[i].compared, 0);
}

static void hear_from(struct sync_worker *worker, const char *origin, const struct buffer *body) {
    const struct bus_message message = {
        .kind = BUS_PRESENCE, .origin = slice_of(origin), .body = buffer_slice((struct buffer *)body)};
    struct buffer topic = {0};
    topic_write_channel(&topic, SLICE("lobby"));
    assert_true(presence_sync_take(worker->presence_sync, buffer_slice(&topic), &message));
    buffer_done(&topic);
}

/* Otherwise 1,000 peers would get 100 digests a second. */
static void the_rate_of_digests_does_not_grow_with_the_workers(void **state) {
    enum { OTHERS = 1000, A_SECOND = 20, SECONDS = 20 };
    struct buffer ask = {0}, topic = {0};
    presence_sync_write_ask(&ask, SLICE_NONE);
    come(&workers[0], "alice");
    loop_advance(scene_loop, SOON_MS);
    for (unsigned i = 0; i < OTHERS; i++) {
        char origin[32];
        snprintf(origin, sizeof origin, "other.%u.x", i);
        hear_from(&workers[0], origin, &ask);
        buffer_clear(&topic);
        topic_write_worker(&topic, slice_of(origin));
        bus_subscribe(workers[1].bus, buffer_slice(&topic)); /* for all of them */
    }
    loop_advance(scene_loop, PRESENCE_SYNC_DIGEST_MS);
    unsigned before = fake_bus_received(workers[1].bus);
    loop_advance(scene_loop, SECONDS * 1000);
    assert_in_range(fake_bus_received(workers[1].bus) - before, (SECONDS - 1) * A_SECOND, (SECONDS + 1) * A_SECOND);
    buffer_done(&ask);
    buffer_done(&topic);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, presence_sync_set_up, presence_sync_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(quiet_channels_cost_the_same_however_many_they_are),
        TEST(a_digest_repairs_what_was_lost_in_some_channels),
        TEST(workers_that_never_heard_of_each_other_find_each_other),
        TEST(whatever_was_lost_in_many_channels_all_workers_agree_in_the_end),
        TEST(the_rate_of_digests_does_not_grow_with_the_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
