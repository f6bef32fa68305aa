/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that ask each other who is online, with a clock that only the test advances. No users share a channel unless
 * a scene says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/ids.h"
#include "bus/bus_local.h"
#include "bus/fields.h"
#include "channel/topic.h"
#include "loop/loop.h"
#include "presence/presence.h"
#include "presence/presence_sync.h"
#include "presence/survey.h"
#include "presence/survey_message.h"
#include "state/state_driver.h"
#include "support/fake_bus.h"

enum { WORKERS = 3, GRACE_MS = 5000, SOON_MS = 1000, TURN_MS = 5, PACE_MS = SURVEY_PACE_MS * WORKERS };

static struct loop *loop;
static struct fake_ether ether;

static struct worker {
    struct presence *presence;
    struct bus *bus;
    struct presence_sync *presence_sync;
    struct state state;
    struct survey *survey;
    bool is_dead; /* as the other workers' state says */
    unsigned malformed;
} workers[WORKERS];

/* The state. */

static void each_other(const struct state *state, void (*fn)(void *owner, struct slice worker_id), void *owner) {
    for (size_t i = 0; i < WORKERS; i++)
        if (&workers[i].state != state && !workers[i].is_dead) fn(owner, bus_worker_id(workers[i].bus));
}
static unsigned count_workers(const struct state *state) {
    return WORKERS;
}
static bool is_gone(const struct state *state, struct slice worker_id) {
    for (size_t i = 0; i < WORKERS; i++)
        if (slice_equal(bus_worker_id(workers[i].bus), worker_id)) return workers[i].is_dead;
    return false;
}
static const struct state_ops roll_ops = {.workers = count_workers, .each_other = each_other, .is_gone = is_gone};

/* The scene. */

static void changed(void *owner, struct slice channel_id, struct slice users, size_t online) {}
static void moved(void *owner, struct slice channel_id, struct slice user_id) {
    presence_sync_moved(((struct worker *)owner)->presence_sync, channel_id, user_id);
}
static const struct presence_events presence_events = {.changed = changed, .moved = moved};

static void received(void *owner, struct slice topic, const struct bus_message *message) {
    struct worker *worker = owner;
    bool is_sound = message->kind == BUS_SURVEY ? survey_take(worker->survey, topic, message)
                                                : presence_sync_take(worker->presence_sync, topic, message);
    worker->malformed += !is_sound;
}
static void subscribed(void *owner, struct slice topic) {
    presence_sync_subscribed(((struct worker *)owner)->presence_sync, topic);
}
static void degraded(void *owner, bool is_degraded) {}
static const struct bus_events bus_events = {received, subscribed, degraded};

static void worker_begin(struct worker *worker, char letter) {
    static const struct presence_settings presence = {
        .grace_ms = GRACE_MS, .tick_ms = 200, .settle_ms = PRESENCE_SYNC_SETTLE_MS, .names_max = 10};
    struct buffer topic = {0};
    char name[ID_OWNER_LEN + 1] = "";
    memset(name, letter, ID_OWNER_LEN);
    *worker = (struct worker){.presence = presence_new(loop, &presence, &presence_events, worker),
                              .bus = fake_bus_new_at(&ether, "node", name, &bus_events, worker),
                              .state.ops = &roll_ops};
    worker->presence_sync = presence_sync_new(loop, worker->presence, worker->bus, &presence);
    worker->survey =
        survey_new(loop, worker->presence, worker->presence_sync, worker->bus, &worker->state, slice_of(name));
    topic_write_worker(&topic, slice_of(name));
    bus_subscribe(worker->bus, SLICE(""));
    bus_subscribe(worker->bus, buffer_slice(&topic));
    buffer_done(&topic);
}

static int set_up(void **state) {
    loop = loop_new_with_fake_clock();
    fake_ether_init(&ether, loop);
    for (size_t i = 0; i < WORKERS; i++) worker_begin(&workers[i], (char)('a' + i));
    loop_advance(loop, 10);
    return 0;
}

static int tear_down(void **state) {
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(workers[i].malformed, 0);
        survey_free(&workers[i].survey);
        presence_sync_free(&workers[i].presence_sync);
        bus_free(&workers[i].bus);
        presence_free(&workers[i].presence);
    }
    fake_ether_done(&ether);
    loop_free(&loop);
    return 0;
}

static void come(struct worker *worker, const char *user) {
    presence_connected(worker->presence, slice_of(user), slice_of(user), NULL);
    loop_advance(loop, PRESENCE_SYNC_SETTLE_MS + 1);
}
static void go(struct worker *worker, const char *user) {
    presence_disconnected(worker->presence, slice_of(user), slice_of(user));
}
static void say(struct worker *worker, const char *user, const char *status, const char *message) {
    assert_true(presence_update(worker->presence, slice_of(user),
                                &(struct presence_said){.status = slice_of(status), .message = slice_of(message)}));
}

struct asked {
    struct survey_call call;
    struct buffer user_ids;
    unsigned answers;
    size_t online;
    bool is_stale;
    char users[1024];
};

static void done(struct survey_call *call, struct slice users, size_t online, bool is_stale) {
    struct asked *asked = CONTAINER(call, struct asked, call);
    asked->online = online;
    snprintf(asked->users, sizeof asked->users, "%.*s", SLICE_ARG(users));
    asked->is_stale = is_stale;
    asked->answers++;
    buffer_done(&asked->user_ids);
}

/* user_ids: separated by spaces. */
static void begin_to_ask(struct worker *worker, struct asked *asked, const char *user_ids) {
    *asked = (struct asked){.call.done = done};
    for (size_t len; *user_ids; user_ids += len + (user_ids[len] == ' ')) {
        len = strcspn(user_ids, " ");
        fields_add(&asked->user_ids, (struct slice){user_ids, len});
    }
    asked->call.user_ids = buffer_slice(&asked->user_ids);
    survey_ask(worker->survey, &asked->call);
}

static void assert_answered(const struct asked *asked, const char *users, bool is_stale) {
    assert_int_equal(asked->answers, 1);
    assert_string_equal(asked->users, users);
    assert_int_equal(asked->is_stale, is_stale);
}

static struct asked ask(struct worker *worker, const char *user_ids) {
    static struct asked asked;
    begin_to_ask(worker, &asked, user_ids);
    loop_advance(loop, TURN_MS);
    return asked;
}

static void assert_sees(struct worker *worker, const char *user_ids, const char *users) {
    struct asked asked = ask(worker, user_ids);
    assert_answered(&asked, users, false);
    loop_advance(loop, PACE_MS);
}

/* Connects the user and joins the lobby. */
static void enter(struct worker *worker, const char *user) {
    presence_joined(worker->presence, SLICE("lobby"), slice_of(user), slice_of(user));
}

static void follow_lobby(struct worker *worker) {
    struct buffer topic = {0};
    topic_write_channel(&topic, SLICE("lobby"));
    bus_subscribe(worker->bus, buffer_slice(&topic));
    buffer_done(&topic);
}

static void begin_to_ask_of_lobby(struct worker *worker, struct asked *asked, size_t names_max) {
    *asked = (struct asked){.call = {.done = done, .channel_id = SLICE("lobby"), .names_max = names_max}};
    survey_ask(worker->survey, &asked->call);
}

static struct asked ask_of_lobby(struct worker *worker, size_t names_max) {
    static struct asked asked;
    begin_to_ask_of_lobby(worker, &asked, names_max);
    loop_advance(loop, TURN_MS);
    assert_int_equal(asked.answers, 1);
    return asked;
}

static size_t named(const struct asked *asked) {
    static const char key[] = "\"userId\":\"";
    size_t users = 0;
    for (const char *at = asked->users; (at = strstr(at, key)); at += strlen(key)) users++;
    return users;
}

/* Asserts that each name occurs once, and no other. */
static void assert_named(const struct asked *asked, size_t len, const char *const *users) {
    assert_int_equal(named(asked), len);
    for (size_t i = 0; i < len; i++) assert_non_null(strstr(asked->users, users[i]));
}

#define ONLINE(id) "{\"userId\":\"" id "\",\"status\":\"online\"}"
#define UNKNOWN(id) "{\"userId\":\"" id "\",\"status\":\"unknown\"}"

static void a_user_named_like_a_channel_is_a_user(void **state) {
    come(&workers[1], "#lobby");
    assert_sees(&workers[0], "#lobby #hall", "[" ONLINE("#lobby") "," UNKNOWN("#hall") "]");
}

static unsigned messages(void) {
    unsigned sum = 0;
    for (size_t i = 0; i < WORKERS; i++) sum += fake_bus_received(workers[i].bus);
    return sum;
}

static void a_user_on_any_worker_is_seen_with_their_status(void **state) {
    come(&workers[0], "alice");
    come(&workers[1], "bob");
    come(&workers[2], "carol");
    say(&workers[1], "bob", "busy", "in a lecture");
    say(&workers[2], "carol", "away", "");
    assert_sees(&workers[0], "bob alice nobody carol",
                "[{\"userId\":\"bob\",\"status\":\"busy\",\"statusMessage\":\"in a lecture\"}," ONLINE(
                    "alice") "," UNKNOWN("nobody") ",{\"userId\":\"carol\",\"status\":\"away\"}]");
    assert_sees(&workers[1], "", "[]");
}

static void of_whom_a_worker_sees_itself_nobody_is_asked(void **state) {
    struct asked asked;
    come(&workers[0], "alice");
    come(&workers[0], "bob");
    unsigned before = messages();
    begin_to_ask(&workers[0], &asked, "alice bob");
    assert_answered(&asked, "[" ONLINE("alice") "," ONLINE("bob") "]", false);
    loop_advance(loop, SOON_MS);
    assert_int_equal(messages(), before);
}

static void who_went_from_here_may_be_there(void **state) {
    come(&workers[0], "alice");
    go(&workers[0], "alice");
    loop_advance(loop, GRACE_MS + SOON_MS);
    come(&workers[1], "alice");
    assert_sees(&workers[0], "alice", "[" ONLINE("alice") "]");
}

/* bob is on two workers; one does not know yet that bob turned invisible on the other. */
static void the_invisible_look_offline_from_everywhere(void **state) {
    static const char *const users[] = {"alice", "bob"};
    for (size_t i = 0; i < 2; i++) {
        struct worker *knows = &workers[1 + i], *does_not = &workers[2 - i];
        come(knows, users[i]);
        come(does_not, users[i]);
        presence_hear(does_not->presence, slice_of(users[i]), &(struct presence_word){.version = 1});
        say(knows, users[i], "away", "");
        say(knows, users[i], "invisible", "");
        struct asked asked = ask(&workers[0], users[i]);
        assert_non_null(strstr(asked.users, "\"offline\""));
        assert_false(asked.is_stale);
        loop_advance(loop, PACE_MS);
    }
}

static void a_user_who_left_was_last_seen_on_their_last_worker(void **state) {
    come(&workers[1], "alice");
    go(&workers[1], "alice");
    loop_advance(loop, 60000);
    come(&workers[2], "alice");
    go(&workers[2], "alice");
    loop_advance(loop, 60000);
    struct asked here = ask(&workers[2], "alice");
    loop_advance(loop, PACE_MS);
    assert_non_null(strstr(here.users, "\"offline\",\"lastSeen\":\""));
    assert_sees(&workers[0], "alice", here.users);
    assert_sees(&workers[1], "alice", here.users);
}

static void a_reload_of_the_page_is_no_absence_to_others(void **state) {
    come(&workers[1], "alice");
    go(&workers[1], "alice");
    loop_advance(loop, GRACE_MS - SOON_MS);
    assert_sees(&workers[0], "alice", "[" ONLINE("alice") "]");
}

static void a_worker_that_is_silent_makes_the_answer_stale(void **state) {
    come(&workers[1], "bob");
    come(&workers[2], "carol");
    bus_unsubscribe(workers[2].bus, SLICE(""));
    struct asked asked;
    begin_to_ask(&workers[0], &asked, "bob carol");
    loop_advance(loop, SURVEY_DEADLINE_MS - 1);
    assert_int_equal(asked.answers, 0);
    loop_advance(loop, TURN_MS);
    assert_answered(&asked, "[" ONLINE("bob") "," UNKNOWN("carol") "]", true);
}

static void a_dead_worker_is_not_waited_for(void **state) {
    come(&workers[1], "bob");
    bus_unsubscribe(workers[2].bus, SLICE(""));
    workers[2].is_dead = true;
    assert_sees(&workers[0], "bob", "[" ONLINE("bob") "]");
    workers[2].is_dead = false;
    struct asked asked;
    begin_to_ask(&workers[0], &asked, "bob");
    loop_advance(loop, TURN_MS);
    assert_int_equal(asked.answers, 0);
    workers[2].is_dead = true; /* known before the deadline */
    loop_advance(loop, SURVEY_DEADLINE_MS);
    assert_answered(&asked, "[" ONLINE("bob") "]", false);
}

static void without_the_bus_the_answer_is_local_and_stale(void **state) {
    struct asked asked;
    come(&workers[0], "alice");
    come(&workers[1], "bob");
    fake_ether_set_down(&ether, true);
    begin_to_ask(&workers[0], &asked, "alice bob");
    assert_answered(&asked, "[" ONLINE("alice") "," UNKNOWN("bob") "]", true);
    fake_ether_set_down(&ether, false);
    loop_advance(loop, SOON_MS);
    assert_sees(&workers[0], "alice bob", "[" ONLINE("alice") "," ONLINE("bob") "]");
}

static void what_many_ask_at_once_is_one_question(void **state) {
    enum { ASKERS = 100, MESSAGES = 2 * (WORKERS - 1) };
    static struct asked asked[ASKERS];
    come(&workers[1], "bob");
    unsigned before = messages();
    for (size_t i = 0; i < ASKERS; i++) begin_to_ask(&workers[0], &asked[i], i % 2 ? "bob" : "carol bob");
    loop_advance(loop, TURN_MS);
    for (size_t i = 0; i < ASKERS; i++) assert_int_equal(asked[i].answers, 1);
    assert_int_equal(messages() - before, MESSAGES);
    for (size_t i = 0; i < PACE_MS; i++) { /* the next question collects the calls of the meantime */
        begin_to_ask(&workers[0], &asked[i], "bob");
        loop_advance(loop, 1);
    }
    loop_advance(loop, 2 * PACE_MS);
    for (size_t i = 0; i < PACE_MS; i++) assert_answered(&asked[i], "[" ONLINE("bob") "]", false);
    assert_in_range(messages() - before, 2 * MESSAGES, 3 * MESSAGES);
}

static void beyond_the_questions_limit_known_users_are_answered(void **state) {
    struct buffer many = {0};
    struct asked first, second;
    come(&workers[0], "alice");
    come(&workers[1], "bob");
    for (unsigned i = 0; i < SURVEY_SUBJECTS_MAX; i++) buffer_printf(&many, "u%u ", i);
    buffer_append_char(&many, 0);
    begin_to_ask(&workers[0], &first, many.ptr);
    begin_to_ask(&workers[0], &second, "alice bob");
    assert_answered(&second, "[" ONLINE("alice") "," UNKNOWN("bob") "]", true);
    loop_advance(loop, TURN_MS);
    assert_int_equal(first.answers, 1);
    assert_false(first.is_stale);
    loop_advance(loop, PACE_MS);
    assert_sees(&workers[0], "bob", "[" ONLINE("bob") "]");
    buffer_done(&many);
}

static void what_is_doubled_late_or_malformed_changes_nothing(void **state) {
    struct buffer body = {0};
    come(&workers[1], "bob");
    ether.double_percent = 50;
    for (int i = 0; i < 20; i++) assert_sees(&workers[0], "bob carol", "[" ONLINE("bob") "," UNKNOWN("carol") "]");
    survey_write_answer(&body, 1); /* an answer to a question that was never asked */
    struct bus_message message = {.kind = BUS_SURVEY, .origin = SLICE("x"), .body = buffer_slice(&body)};
    assert_true(survey_take(workers[0].survey, SLICE("!"), &message));
    buffer_append_str(&body, "cut off");
    message.body = buffer_slice(&body);
    assert_false(survey_take(workers[0].survey, SLICE("!"), &message));
    message.body = SLICE("\1");
    assert_false(survey_take(workers[0].survey, SLICE(""), &message));
    message.body = SLICE_NONE;
    assert_false(survey_take(workers[0].survey, SLICE(""), &message));
    buffer_done(&body);
}

static void who_still_waits_as_the_worker_ends_is_answered(void **state) {
    struct asked gathered, flying;
    begin_to_ask(&workers[0], &flying, "bob");
    loop_advance(loop, 1);
    begin_to_ask(&workers[0], &gathered, "carol");
    survey_free(&workers[0].survey);
    assert_answered(&flying, "[" UNKNOWN("bob") "]", true);
    assert_answered(&gathered, "[" UNKNOWN("carol") "]", true);
}

static void alone_a_worker_knows_everybody(void **state) {
    static const char name[ID_OWNER_LEN + 1] = "alone";
    struct bus *bus = bus_local_new(loop, &bus_events, &workers[0]);
    struct survey *survey = survey_new(loop, workers[0].presence, workers[0].presence_sync, bus, &workers[0].state,
                                       (struct slice){name, ID_OWNER_LEN});
    struct worker alone = {.survey = survey};
    struct asked asked;
    begin_to_ask(&alone, &asked, "nobody");
    assert_answered(&asked, "[" UNKNOWN("nobody") "]", false);
    survey_free(&survey);
    bus_free(&bus);
}

/* bob's phone and laptop are on two workers. */
static void a_user_on_several_workers_is_listed_once_with_their_status(void **state) {
    static const char *const all[] = {ONLINE("alice"),
                                      "{\"userId\":\"bob\",\"status\":\"busy\",\"statusMessage\":\"in a lecture\"}",
                                      ONLINE("carol")};
    come(&workers[1], "alice");
    come(&workers[2], "carol");
    for (size_t i = 1; i < WORKERS; i++) {
        come(&workers[i], "bob");
        enter(&workers[i], "bob");
    }
    say(&workers[1], "bob", "busy", "in a lecture");
    enter(&workers[1], "alice");
    enter(&workers[2], "carol");
    come(&workers[1], "elsewhere");
    struct asked asked = ask_of_lobby(&workers[0], 100);
    assert_named(&asked, 3, all);
    assert_int_equal(asked.online, 3);
    assert_false(asked.is_stale);
    loop_advance(loop, PACE_MS);
    asked = ask_of_lobby(&workers[0], 2); /* the list is cut, the count is not */
    assert_int_equal(named(&asked), 2);
    assert_int_equal(asked.online, 3);
    loop_advance(loop, GRACE_MS);
    go(&workers[2], "bob");
    go(&workers[1], "alice");
    loop_advance(loop, GRACE_MS + SOON_MS);
    asked = ask_of_lobby(&workers[0], 0);
    assert_string_equal(asked.users, "[]");
    assert_int_equal(asked.online, 2);
}

/* Even a worker with members asks, until it has heard from all others. */
static void a_channel_is_asked_about_until_it_has_been_followed_briefly(void **state) {
    static const char *const both[] = {ONLINE("alice"), ONLINE("bob")};
    come(&workers[0], "alice");
    come(&workers[1], "bob");
    enter(&workers[1], "bob");
    follow_lobby(&workers[1]);
    loop_advance(loop, SOON_MS);
    ether.delay_ms = PRESENCE_SYNC_TICK_MS;
    enter(&workers[0], "alice");
    follow_lobby(&workers[0]);
    loop_advance(loop, 1);
    static struct asked asked;
    begin_to_ask_of_lobby(&workers[0], &asked, 100);
    loop_advance(loop, 4 * PRESENCE_SYNC_TICK_MS);
    assert_int_equal(asked.answers, 1);
    assert_named(&asked, 2, both);
    assert_false(asked.is_stale);
    loop_advance(loop, PRESENCE_SYNC_WHOLE_MS);
    unsigned before = messages();
    begin_to_ask_of_lobby(&workers[0], &asked, 100);
    assert_int_equal(asked.answers, 1); /* at once */
    assert_named(&asked, 2, both);
    assert_int_equal(asked.online, 2);
    assert_false(asked.is_stale);
    assert_int_equal(messages(), before);
}

static void a_channel_of_which_a_worker_is_silent_is_stale(void **state) {
    static const char *const bob[] = {ONLINE("bob")};
    for (size_t i = 1; i < WORKERS; i++) {
        come(&workers[i], i == 1 ? "bob" : "carol");
        enter(&workers[i], i == 1 ? "bob" : "carol");
    }
    bus_unsubscribe(workers[2].bus, SLICE(""));
    static struct asked asked;
    begin_to_ask_of_lobby(&workers[0], &asked, 100);
    loop_advance(loop, SURVEY_DEADLINE_MS - 1);
    assert_int_equal(asked.answers, 0);
    loop_advance(loop, TURN_MS);
    assert_named(&asked, 1, bob);
    assert_int_equal(asked.online, 1);
    assert_true(asked.is_stale);
    fake_ether_set_down(&ether, true);
    asked = ask_of_lobby(&workers[0], 100);
    assert_int_equal(named(&asked), 0);
    assert_true(asked.is_stale);
    fake_ether_set_down(&ether, false);
    loop_advance(loop, SOON_MS);
}

static void the_invisible_are_not_in_a_channel_that_is_asked_about(void **state) {
    come(&workers[1], "alice");
    enter(&workers[1], "alice");
    say(&workers[1], "alice", "invisible", "");
    struct asked asked = ask_of_lobby(&workers[0], 100);
    assert_int_equal(named(&asked), 0);
    assert_int_equal(asked.online, 0);
}

static void enter_many(struct worker *worker, unsigned from, unsigned to) {
    char user[16];
    for (unsigned i = from; i < to; i++) {
        snprintf(user, sizeof user, "u%u", i);
        presence_connected(worker->presence, slice_of(user), slice_of(user), NULL);
        enter(worker, user);
    }
    loop_advance(loop, SOON_MS);
}

/* Users on two workers are counted once as long as each worker names them, even if answers are doubled. */
static void a_large_channel_is_counted_whole_and_listed_as_asked(void **state) {
    ether.double_percent = 50;
    enter_many(&workers[1], 0, SURVEY_NAMES_MAX);
    enter_many(&workers[2], SURVEY_NAMES_MAX - 100, SURVEY_NAMES_MAX + 100);
    for (unsigned more = 0; more <= 1; more++) { /* with one user too many, that worker reports only their number */
        size_t online = more ? SURVEY_NAMES_MAX + 1 + 200 : SURVEY_NAMES_MAX + 100;
        enter_many(&workers[1], SURVEY_NAMES_MAX, SURVEY_NAMES_MAX + more);
        for (int i = 0; i < 10; i++) {
            struct asked asked = ask_of_lobby(&workers[0], 3);
            assert_int_equal(named(&asked), 3);
            assert_int_equal(asked.online, online);
            loop_advance(loop, PACE_MS);
        }
    }
}

/* Together more names than fit an answer: one channel gets only a number. */
static void an_answer_about_large_channels_is_bounded_and_counts_all_of_them(void **state) {
    enum { CHANNELS = 5, MEMBERS = SURVEY_NAMES_MAX - 500 };
    static const char *const channels[CHANNELS] = {"c0", "c1", "c2", "c3", "c4"};
    static struct asked asked[CHANNELS];
    size_t names = 0;
    enter_many(&workers[1], 0, MEMBERS);
    for (unsigned i = 0; i < MEMBERS * CHANNELS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%u", i / CHANNELS);
        presence_joined(workers[1].presence, slice_of(channels[i % CHANNELS]), slice_of(user), slice_of(user));
    }
    for (size_t i = 0; i < CHANNELS; i++) {
        asked[i] = (struct asked){.call = {.done = done, .channel_id = slice_of(channels[i]), .names_max = 1}};
        survey_ask(workers[0].survey, &asked[i].call);
    }
    loop_advance(loop, TURN_MS);
    for (size_t i = 0; i < CHANNELS; i++) {
        assert_int_equal(asked[i].answers, 1);
        assert_int_equal(asked[i].online, MEMBERS);
        names += named(&asked[i]);
    }
    assert_int_equal(names, SURVEY_SUBJECTS_MAX / MEMBERS);
}

static void users_and_channels_that_are_asked_about_at_once_are_one_question(void **state) {
    enum { MESSAGES = 2 * (WORKERS - 1) };
    static const char *const bob[] = {ONLINE("bob")};
    struct asked of_users, of_lobby, again;
    come(&workers[1], "bob");
    enter(&workers[1], "bob");
    unsigned before = messages();
    begin_to_ask(&workers[0], &of_users, "bob");
    begin_to_ask_of_lobby(&workers[0], &of_lobby, 100);
    begin_to_ask_of_lobby(&workers[0], &again, 0);
    loop_advance(loop, TURN_MS);
    assert_answered(&of_users, "[" ONLINE("bob") "]", false);
    assert_named(&of_lobby, 1, bob);
    assert_int_equal(named(&again), 0);
    assert_int_equal(again.online, 1);
    assert_int_equal(messages() - before, MESSAGES);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_user_named_like_a_channel_is_a_user),
        TEST(a_user_on_any_worker_is_seen_with_their_status),
        TEST(of_whom_a_worker_sees_itself_nobody_is_asked),
        TEST(who_went_from_here_may_be_there),
        TEST(the_invisible_look_offline_from_everywhere),
        TEST(a_user_who_left_was_last_seen_on_their_last_worker),
        TEST(a_reload_of_the_page_is_no_absence_to_others),
        TEST(a_worker_that_is_silent_makes_the_answer_stale),
        TEST(a_dead_worker_is_not_waited_for),
        TEST(without_the_bus_the_answer_is_local_and_stale),
        TEST(what_many_ask_at_once_is_one_question),
        TEST(beyond_the_questions_limit_known_users_are_answered),
        TEST(what_is_doubled_late_or_malformed_changes_nothing),
        TEST(who_still_waits_as_the_worker_ends_is_answered),
        TEST(alone_a_worker_knows_everybody),
        TEST(a_user_on_several_workers_is_listed_once_with_their_status),
        TEST(a_channel_is_asked_about_until_it_has_been_followed_briefly),
        TEST(a_channel_of_which_a_worker_is_silent_is_stale),
        TEST(the_invisible_are_not_in_a_channel_that_is_asked_about),
        TEST(a_large_channel_is_counted_whole_and_listed_as_asked),
        TEST(an_answer_about_large_channels_is_bounded_and_counts_all_of_them),
        TEST(users_and_channels_that_are_asked_about_at_once_are_one_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
