/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "inside/inside.h"
#include "loop/loop.h"
#include "presence/presence.h"
#include "presence/presence_sight.h"

static const struct presence_settings SETTINGS = {.grace_ms = 5000, .tick_ms = 200, .names_max = 10};

static struct loop *loop;
static struct presence *presence;
static struct buffer told; /* "general 2 [users]\n" for each call */
static struct buffer went; /* "alice " */
static unsigned calls;

static void changed(void *owner, struct slice channel_id, struct slice users, size_t online) {
    calls++;
    buffer_printf(&told, "%.*s %zu %.*s\n", SLICE_ARG(channel_id), online, SLICE_ARG(users));
}

static void offline(void *owner, struct slice user_id) {
    buffer_printf(&went, "%.*s ", SLICE_ARG(user_id));
}

static const struct presence_events events = {.changed = changed, .offline = offline};

static int set_up(void **state) {
    loop = loop_new_with_fake_clock();
    presence = presence_new(loop, &SETTINGS, &events, NULL);
    calls = 0;
    return 0;
}

static int tear_down(void **state) {
    presence_free(&presence);
    loop_free(&loop);
    buffer_done(&told);
    buffer_done(&went);
    return 0;
}

static void come(const char *user, const char *connection, const char *channel) {
    presence_connected(presence, slice_of(user), slice_of(connection), NULL);
    presence_joined(presence, slice_of(channel), slice_of(user), slice_of(connection));
}

static void go(const char *user, const char *connection) {
    presence_disconnected(presence, slice_of(user), slice_of(connection));
}

static bool say(const char *user, const char *status, const char *message) {
    return presence_update(presence, slice_of(user),
                           &(struct presence_said){.status = slice_of(status), .message = slice_of(message)});
}

/* What was sent since the last call. */
static const char *news(uint64_t wait_ms) {
    static char text[65536];
    loop_advance(loop, wait_ms);
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(buffer_slice(&told)));
    buffer_clear(&told);
    return text;
}

static const char *written(struct buffer *out) {
    static char text[65536];
    snprintf(text, sizeof text, "%.*s", SLICE_ARG(buffer_slice(out)));
    buffer_done(out);
    return text;
}

static const char *user(const char *user_id) {
    struct buffer out = {0};
    struct presence_sight sight = presence_see(presence, slice_of(user_id));
    presence_write_sight(slice_of(user_id), &sight, &out);
    return written(&out);
}

static const char *channel(const char *channel_id, size_t max) {
    struct buffer out = {0};
    size_t online = presence_write_channel(presence, slice_of(channel_id), max, &out);
    buffer_printf(&out, " %zu", online);
    return written(&out);
}

static void who_comes_is_told_within_a_tick(void **state) {
    come("alice", "a1", "general");
    assert_string_equal(news(SETTINGS.tick_ms - 1), "");
    assert_string_equal(news(1), "general 1 [{\"userId\":\"alice\",\"status\":\"online\"}]\n");
    assert_string_equal(channel("general", 10), "[{\"userId\":\"alice\",\"status\":\"online\"}] 1");
    assert_string_equal(channel("random", 10), "[] 0");
    assert_string_equal(news(60000), "");
}

/* One device disconnects, the other stays. */
static void a_user_is_online_while_one_of_their_devices_is(void **state) {
    come("alice", "phone", "general");
    come("alice", "laptop", "general");
    come("alice", "laptop", "general");
    assert_string_equal(news(1000), "general 1 [{\"userId\":\"alice\",\"status\":\"online\"}]\n");
    assert_int_equal(presence_connections(presence, SLICE("alice")), 2);
    go("alice", "phone");
    go("alice", "phone");
    assert_string_equal(news(60000), "");
    go("alice", "laptop");
    assert_string_equal(news(SETTINGS.grace_ms - 1), "");
    assert_string_equal(
        news(SETTINGS.tick_ms + 1),
        "general 0 [{\"userId\":\"alice\",\"status\":\"offline\",\"lastSeen\":\"2026-01-01T00:01:01.000Z\"}]\n");
    assert_int_equal(presence_connections(presence, SLICE("alice")), 0);
    assert_string_equal(written(&went), "alice ");
}

static void a_reload_of_the_page_is_no_absence(void **state) {
    come("alice", "a1", "general");
    say("alice", "busy", "in a call");
    news(1000);
    go("alice", "a1");
    loop_advance(loop, SETTINGS.grace_ms - 1);
    come("alice", "a2", "general");
    assert_string_equal(news(60000), "");
    assert_string_equal(user("alice"), "{\"userId\":\"alice\",\"status\":\"busy\",\"statusMessage\":\"in a call\"}");
    assert_int_equal(went.len, 0);
}

static void leaving_a_channel_is_not_going_offline(void **state) {
    come("alice", "a1", "general");
    presence_joined(presence, SLICE("random"), SLICE("alice"), SLICE("a1"));
    news(1000);
    presence_left(presence, SLICE("general"), SLICE("alice"), SLICE("a1"));
    presence_left(presence, SLICE("general"), SLICE("alice"), SLICE("a1"));
    assert_string_equal(news(10000), "general 0 [{\"userId\":\"alice\",\"status\":\"offline\"}]\n");
    assert_string_equal(user("alice"), "{\"userId\":\"alice\",\"status\":\"online\"}");
    assert_string_equal(channel("random", 10), "[{\"userId\":\"alice\",\"status\":\"online\"}] 1");
    assert_int_equal(went.len, 0);
}

/* After a deploy all users connect at once: one call a channel and tick. */
static void mass_changes_are_told_at_once(void **state) {
    char id[16];
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "u%d", i);
        come(id, id, "general");
        presence_joined(presence, SLICE("random"), slice_of(id), slice_of(id));
    }
    news(SETTINGS.tick_ms);
    assert_int_equal(calls, 2);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "u%d", i);
        go(id, id);
    }
    news(SETTINGS.grace_ms + SETTINGS.tick_ms);
    assert_int_equal(calls, 4);
}

/* Users connect one after the other: each channel gets all of them in one call a tick. */
static void changes_of_a_tick_are_told_in_one_call(void **state) {
    char id[16];
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "u%d", i);
        come(id, id, "general");
        loop_advance(loop, SETTINGS.tick_ms / 20);
    }
    assert_int_equal(calls, 0);
    news(SETTINGS.tick_ms / 2 + 1);
    assert_int_equal(calls, 1);
}

static void who_came_and_went_within_a_tick_was_never_there(void **state) {
    struct presence_settings settings = SETTINGS;
    settings.grace_ms = 0;
    presence_set(presence, &settings);
    come("alice", "a1", "general");
    go("alice", "a1");
    assert_string_equal(news(1000), "");
    assert_string_equal(channel("general", 10), "[] 0");
}

/* Large channels get a number instead of thousands of names for thousands of members. */
static void large_channels_get_counts_and_small_ones_the_difference(void **state) {
    char id[16];
    come("alice", "a1", "general");
    come("bob", "b1", "general");
    news(1000);
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "u%d", i);
        come(id, id, "general");
    }
    assert_string_equal(news(1000), "general 1002 \n");
    say("alice", "away", "");
    assert_string_equal(news(1000), "");
    go("bob", "b1");
    assert_string_equal(news(10000), "general 1001 \n");
    for (int i = 1; i < 1000; i++) {
        snprintf(id, sizeof id, "u%d", i);
        go(id, id);
    }
    assert_string_equal(
        news(10000),
        "general 2 [{\"userId\":\"u0\",\"status\":\"online\"},{\"userId\":\"alice\",\"status\":\"away\"},"
        "{\"userId\":\"bob\",\"status\":\"offline\",\"lastSeen\":\"2026-01-01T00:00:03.000Z\"}]\n");
}

static void a_users_status_is_told_in_their_channels(void **state) {
    come("alice", "a1", "general");
    come("bob", "b1", "random");
    news(1000);
    assert_true(say("alice", "away", "say \"hi\""));
    assert_string_equal(
        news(1000), "general 1 [{\"userId\":\"alice\",\"status\":\"away\",\"statusMessage\":\"say \\\"hi\\\"\"}]\n");
    assert_false(say("alice", "asleep", ""));
    assert_false(say("alice", "offline", ""));
    assert_false(say("carol", "away", ""));
    char longest[PRESENCE_MESSAGE_MAX + 2] = {0};
    memset(longest, 'x', PRESENCE_MESSAGE_MAX + 1);
    assert_false(say("alice", "away", longest));
    assert_true(say("alice", "away", longest + 1));
    go("alice", "a1");
    assert_false(say("alice", "away", ""));
}

static void the_invisible_look_offline(void **state) {
    come("alice", "a1", "general");
    come("bob", "b1", "general");
    news(1000);
    assert_true(say("alice", "invisible", "boo"));
    assert_string_equal(
        news(1000),
        "general 1 [{\"userId\":\"alice\",\"status\":\"offline\",\"lastSeen\":\"2026-01-01T00:00:01.000Z\"}]\n");
    assert_string_equal(channel("general", 10), "[{\"userId\":\"bob\",\"status\":\"online\"}] 1");
    presence_joined(presence, SLICE("random"), SLICE("alice"), SLICE("a1"));
    assert_string_equal(news(1000), "");
    /* Others do not see the real end. */
    go("alice", "a1");
    assert_string_equal(news(60000), "");
    assert_string_equal(user("alice"),
                        "{\"userId\":\"alice\",\"status\":\"offline\",\"lastSeen\":\"2026-01-01T00:00:01.000Z\"}");
    assert_string_equal(written(&went), "alice ");
}

static void who_becomes_visible_again_is_told(void **state) {
    come("alice", "a1", "general");
    say("alice", "invisible", "");
    assert_string_equal(news(1000), "");
    say("alice", "online", "");
    assert_string_equal(news(1000), "general 1 [{\"userId\":\"alice\",\"status\":\"online\"}]\n");
}

/* Nobody knows is not online, and offline is not seen just now. */
static void come_back(const char *user, const char *status, uint64_t ends_wall_ms) {
    const struct presence_said before = {.status = slice_of(status), .ends_wall_ms = ends_wall_ms};
    presence_connected(presence, slice_of(user), slice_of(user), &before);
    presence_joined(presence, SLICE("general"), slice_of(user), slice_of(user));
}

static void a_user_who_comes_back_has_their_status_at_once(void **state) {
    come("bob", "b1", "general");
    (void)news(1000);
    come_back("alice", "invisible", 0);
    assert_string_equal(user("alice"), "{\"userId\":\"alice\",\"status\":\"offline\"}");
    assert_string_equal(news(60000), "");
    assert_string_equal(written(&went), ""); /* nobody saw the user online, so nobody is told of the end */
    come_back("bob", "invisible", 0);        /* a connected user keeps the status set since */
    assert_string_equal(user("bob"), "{\"userId\":\"bob\",\"status\":\"online\"}");
    come_back("carol", "dancing", 0);
    assert_string_equal(user("carol"), "{\"userId\":\"carol\",\"status\":\"online\"}");
}

static void what_was_said_before_yields_to_what_is_heard(void **state) {
    struct presence_settings settings = SETTINGS;
    settings.settle_ms = 150;
    presence_set(presence, &settings);
    come_back("alice", "away", 0);
    presence_hear(presence, SLICE("alice"), &(struct presence_word){.version = 5, .status = 2});
    assert_string_equal(user("alice"), "{\"userId\":\"alice\",\"status\":\"busy\"}");
    struct presence_word word;
    assert_true(presence_word_of(presence, SLICE("alice"), &word));
    assert_int_equal(word.version, 5);
}

static void what_is_said_until_a_time_ends_then(void **state) {
    uint64_t now_ms = loop_wall_ms(loop), days_ms = UINT64_C(3) * 24 * 3600 * 1000;
    come_back("alice", "busy", now_ms + days_ms);
    loop_advance(loop, days_ms - 1);
    assert_string_equal(user("alice"), "{\"userId\":\"alice\",\"status\":\"busy\"}");
    loop_advance(loop, 1);
    assert_string_equal(user("alice"), "{\"userId\":\"alice\",\"status\":\"online\"}");
    come_back("bob", "busy", now_ms + 2 * days_ms);
    assert_true(say("bob", "away", "")); /* without an end: it replaces the earlier end */
    loop_advance(loop, 2 * days_ms);
    assert_string_equal(user("bob"), "{\"userId\":\"bob\",\"status\":\"away\"}");
}

static void unknown_is_said_to_be_so(void **state) {
    assert_string_equal(user("nobody"), "{\"userId\":\"nobody\",\"status\":\"unknown\"}");
    come("alice", "a1", "general");
    go("alice", "a1");
    loop_advance(loop, 60000);
    assert_string_equal(user("alice"),
                        "{\"userId\":\"alice\",\"status\":\"offline\",\"lastSeen\":\"2026-01-01T00:00:00.000Z\"}");
    loop_advance(loop, PRESENCE_GONE_MS * 2);
    assert_string_equal(user("alice"), "{\"userId\":\"alice\",\"status\":\"unknown\"}");
    come("alice", "a2", "general");
    assert_string_equal(user("alice"), "{\"userId\":\"alice\",\"status\":\"online\"}");
}

static void only_so_many_who_went_are_remembered(void **state) {
    char id[24];
    for (int i = 0; i < PRESENCE_GONE_MAX + 1000; i++) {
        snprintf(id, sizeof id, "u%d", i);
        presence_connected(presence, slice_of(id), slice_of(id), NULL);
        go(id, id);
    }
    buffer_done(&went);
    loop_advance(loop, SETTINGS.grace_ms);
    assert_string_equal(user("u0"), "{\"userId\":\"u0\",\"status\":\"unknown\"}");
    snprintf(id, sizeof id, "u%d", PRESENCE_GONE_MAX + 999);
    assert_non_null(strstr(user(id), "\"offline\""));
}

static void a_connection_belongs_to_one_user(void **state) {
    come("alice", "a1", "general");
    go("bob", "a1");
    come("bob", "a1", "random");
    presence_left(presence, SLICE("general"), SLICE("bob"), SLICE("a1"));
    assert_string_equal(news(60000), "general 1 [{\"userId\":\"alice\",\"status\":\"online\"}]\n");
    assert_int_equal(presence_connections(presence, SLICE("bob")), 0);
}

static void at_most_max_users_are_written(void **state) {
    char id[16];
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "u%d", i);
        come(id, id, "general");
    }
    assert_string_equal(channel("general", 2),
                        "[{\"userId\":\"u0\",\"status\":\"online\"},{\"userId\":\"u1\",\"status\":\"online\"}] 5");
}

/* Also words that were set at the same time: with equal versions, and even with equal statuses. */
enum { WORDS = 24, REPLICAS = 2, ROUNDS = 50 };
struct said {
    char text[8];
    struct presence_word word;
};

static void say_something(struct said *said, unsigned *seed) {
    snprintf(said->text, sizeof said->text, "%.*s", rand_r(seed) % 4, rand_r(seed) % 2 ? "lunch" : "later");
    said->word =
        (struct presence_word){1 + (unsigned)rand_r(seed) % 3, (unsigned)rand_r(seed) % 4, slice_of(said->text)};
}

static void shuffle(const struct said **words, unsigned *seed) {
    for (size_t i = WORDS - 1; i > 0; i--) {
        size_t j = (size_t)rand_r(seed) % (i + 1);
        const struct said *word = words[i];
        words[i] = words[j];
        words[j] = word;
    }
}

/* The final word of a replica, and what its members were told last of alice. */
static const char *told_after(const struct said **words) {
    static char text[REPLICAS][2048];
    static unsigned calls_of_this;
    char *out = text[calls_of_this++ % REPLICAS];
    come("alice", "a1", "general");
    (void)news(1000);
    for (size_t i = 0; i < WORDS; i++) {
        presence_hear(presence, SLICE("alice"), &words[i]->word);
        loop_advance(loop, SETTINGS.tick_ms);
    }
    struct presence_word word;
    const char *all = news(1000), *last = all;
    for (const char *at = all; (at = strstr(at, "general ")); at++) last = at;
    assert_true(presence_word_of(presence, SLICE("alice"), &word));
    snprintf(out, sizeof *text, "%llu %u '%.*s' %.1500s", (unsigned long long)word.version, word.status,
             SLICE_ARG(word.message), word.status == 3 ? "" : last);
    return out;
}

static void replicas_that_hear_the_same_words_in_any_order_end_equal(void **state) {
    unsigned seed = 1;
    for (int round = 0; round < ROUNDS; round++) {
        struct said said[WORDS];
        const struct said *words[WORDS];
        const char *ended[REPLICAS];
        for (size_t i = 0; i < WORDS; i++) say_something(&said[i], &seed);
        for (size_t i = 0; i < WORDS; i++) words[i] = &said[i];
        for (size_t i = 0; i < REPLICAS; i++) {
            shuffle(words, &seed);
            ended[i] = told_after(words);
            tear_down(state);
            set_up(state);
        }
        assert_string_equal(ended[0], ended[1]);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(who_comes_is_told_within_a_tick),
        TEST(a_user_is_online_while_one_of_their_devices_is),
        TEST(a_reload_of_the_page_is_no_absence),
        TEST(leaving_a_channel_is_not_going_offline),
        TEST(mass_changes_are_told_at_once),
        TEST(changes_of_a_tick_are_told_in_one_call),
        TEST(who_came_and_went_within_a_tick_was_never_there),
        TEST(large_channels_get_counts_and_small_ones_the_difference),
        TEST(a_users_status_is_told_in_their_channels),
        TEST(the_invisible_look_offline),
        TEST(who_becomes_visible_again_is_told),
        TEST(a_user_who_comes_back_has_their_status_at_once),
        TEST(what_was_said_before_yields_to_what_is_heard),
        TEST(what_is_said_until_a_time_ends_then),
        TEST(unknown_is_said_to_be_so),
        TEST(only_so_many_who_went_are_remembered),
        TEST(a_connection_belongs_to_one_user),
        TEST(at_most_max_users_are_written),
        TEST(replicas_that_hear_the_same_words_in_any_order_end_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
