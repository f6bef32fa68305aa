/* SPDX-License-Identifier: Apache-2.0 */
/* A scripted Cluster and scripted Sentinels: redirects, changing maps, and a master that is none. */
#include "redis/redis_slots.h"
#include "support/redis_stage.h"

static struct fake_server left, right;
static struct redis *redis;
static struct ears ears;

/* Both give the same answer: who owns the slots below 8192, those from there on, and 12182, the slot of "foo"; or
 * nothing.
 */
static struct fake_server *low, *high, *foo;
static bool keeps_its_slots_to_itself;

static void say_range(struct fake_client *client, unsigned first, unsigned last, const struct fake_server *at) {
    char row[128];
    snprintf(row, sizeof(row), "*3\r\n:%u\r\n:%u\r\n*3\r\n$%d\r\n%s\r\n:%d\r\n$2\r\nid\r\n", first, last, first ? 0 : 9,
             first ? "" : "127.0.0.1", at->port);
    fake_say(client, row);
}

static void say_slots(struct fake_client *client) {
    if (keeps_its_slots_to_itself) return;
    fake_say(client, "*4\r\n");
    say_range(client, 0, 8191, low);
    say_range(client, 8192, 12181, high);
    say_range(client, 12182, 12182, foo);
    say_range(client, 12183, 16383, high);
}

static void cluster_command(struct fake_client *client, const char *command) {
    if (strcmp(command, "CLUSTER SLOTS") == 0)
        say_slots(client);
    else
        fake_default(client, command);
}

static int set_up_on(void **state, int (*set_up_stage)(void **state)) {
    set_up_stage(state);
    left = right = (struct fake_server){.on_command = cluster_command};
    fake_start(&left);
    fake_start(&right);
    low = &left;
    high = foo = &right;
    keeps_its_slots_to_itself = false;
    redis = REDIS_TO(REDIS_CLUSTER, left.address);
    ears_open(&ears, redis);
    stage_until(redis_is_up(redis));
    return 0;
}

static int set_up(void **state) {
    return set_up_on(state, stage_set_up);
}

static int set_up_in_haste(void **state) {
    return set_up_on(state, stage_set_up_in_haste);
}

static int tear_down(void **state) {
    ears_close(&ears);
    redis_free(&redis);
    fake_stop(&left);
    fake_stop(&right);
    return stage_tear_down(state);
}

static void say_to(struct fake_client *client, const char *error, const struct fake_server *to) {
    char reply[128];
    snprintf(reply, sizeof(reply), "-%s 12182 %s\r\n", error, to->address);
    fake_say(client, reply);
}

static void a_key_goes_where_its_slot_is(void **state) {
    answer_to(redis, "GET foo");
    assert_string_equal(right.last, "GET foo");
    answer_to(redis, "GET bar"); /* slot 5061 */
    assert_string_equal(left.last, "GET bar");
}

static void moved_away(struct fake_client *client, const char *command) {
    if (strstr(command, " foo"))
        say_to(client, "MOVED", &left);
    else
        cluster_command(client, command);
}

static void moved_changes_the_map_and_looks_are_put_together(void **state) {
    struct asked asked[50];
    stage_pass(150); /* looks are at most that far apart: the initial ones are done */
    unsigned lookups = left.lookups + right.lookups;
    right.on_command = moved_away;
    high = foo = &left;
    for (int i = 0; i < 50; i++) {
        asked_init(&asked[i]);
        ask(redis, &asked[i], "GET foo");
    }
    for (int i = 0; i < 50; i++) {
        stage_until(asked[i].answers);
        assert_int_equal(asked[i].status, REDIS_DONE);
    }
    assert_string_equal(left.last, "GET foo");
    stage_until(left.lookups + right.lookups > lookups);
    stage_pass(300); /* an extra look would have come by then */
    assert_in_range(left.lookups + right.lookups, lookups + 1, lookups + 2);
    unsigned commands = right.commands;
    answer_to(redis, "GET foo");
    assert_int_equal(right.commands, commands);
}

static struct fake_server *holder;

static void only_the_holder_answers(struct fake_client *client, const char *command) {
    if (strstr(command, " foo") && fake_of(client) != holder)
        say_to(client, "MOVED", holder);
    else
        cluster_command(client, command);
}

static void many_moves_are_few_looks(void **state) {
    left.on_command = right.on_command = only_the_holder_answers;
    unsigned lookups = left.lookups + right.lookups;
    uint64_t begun_ms = loop_now_ms(stage_loop);
    for (int i = 0; i < 200; i++) {
        holder = i % 2 ? &left : &right;
        assert_int_equal(answer_to(redis, "GET foo").status, REDIS_DONE);
    }
    stage_until(left.lookups + right.lookups > lookups);
    uint64_t took_ms = loop_now_ms(stage_loop) - begun_ms;
    assert_in_range(left.lookups + right.lookups - lookups, 1, took_ms / 100 + 2);
}

static void asks_elsewhere(struct fake_client *client, const char *command) {
    if (strstr(command, " foo"))
        say_to(client, "ASK", &left);
    else
        cluster_command(client, command);
}

static bool asking;
static void answers_what_was_asked(struct fake_client *client, const char *command) {
    if (strcmp(command, "ASKING") == 0) {
        asking = true;
        fake_say(client, "+OK\r\n");
    } else if (strstr(command, " foo")) {
        fake_say(client, asking ? "$4\r\nhere\r\n" : "-MOVED 12182 127.0.0.1:1\r\n");
        asking = false;
    } else {
        cluster_command(client, command);
    }
}

static void ask_is_followed_once_and_changes_nothing(void **state) {
    right.on_command = asks_elsewhere;
    left.on_command = answers_what_was_asked;
    unsigned lookups = left.lookups + right.lookups;
    for (int i = 0; i < 3; i++) {
        unsigned commands = right.commands;
        assert_string_equal(answer_to(redis, "GET foo").text, "here");
        assert_int_equal(right.commands, commands + 1);
    }
    assert_int_equal(left.lookups + right.lookups, lookups);
}

static void asks_nobody(struct fake_client *client, const char *command) {
    if (strstr(command, " foo") && fake_of(client)->commands < 4)
        fake_say(client, "-ASK 12182 127.0.0.1:1\r\n");
    else
        cluster_command(client, command);
}

static void when_whom_ask_names_is_away_the_slot_is_asked_again(void **state) {
    right.commands = 0;
    right.on_command = asks_nobody;
    assert_int_equal(answer_to(redis, "GET foo").status, REDIS_DONE);
    assert_string_equal(right.last, "GET foo");
}

static void servers_that_do_not_agree_do_not_keep_us_busy(void **state) {
    struct asked asked;
    right.on_command = moved_away;
    left.on_command = moved_away;
    asked_init(&asked);
    asked.call.deadline_ms = 500;
    ask(redis, &asked, "GET foo");
    stage_until(asked.answers);
    assert_string_equal(asked.reason, "deadline");
    assert_in_range(left.commands + right.commands, 5, 60);
}

static void a_dead_primary_is_known_when_the_map_changes(void **state) {
    fake_stop(&right);
    stage_until(!redis_is_up(redis));
    high = foo = &left;
    stage_until(redis_is_up(redis));
    assert_int_equal(answer_to(redis, "GET foo").status, REDIS_DONE);
    assert_string_equal(left.last, "GET foo");
}

/* --- topics --- */

static bool subscribes_on_moved;

static void say_push(struct fake_client *client, const char *word, const char *topic, const char *last) {
    char reply[256];
    snprintf(reply, sizeof(reply), "*3\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n%s\r\n", strlen(word), word, strlen(topic), topic,
             last);
    fake_say(client, reply);
}

static struct fake_client *listener;

static void confirms_topics(struct fake_client *client, const char *command) {
    char topic[64], word[32];
    if (sscanf(command, "SSUBSCRIBE %63s", topic) == 1) {
        listener = client;
        if (subscribes_on_moved)
            say_to(client, "MOVED", &left);
        else
            say_push(client, "ssubscribe", topic, ":1");
    } else if (sscanf(command, "SUBSCRIBE %63s", topic) == 1) {
        listener = client;
        say_push(client, "subscribe", topic, ":1");
    } else if (sscanf(command, "SUNSUBSCRIBE %63s", topic) == 1) {
        say_push(client, "sunsubscribe", topic, ":0");
    } else if (sscanf(command, "SPUBLISH %63s %31s", topic, word) == 2) {
        fake_say(client, ":1\r\n");
    } else {
        cluster_command(client, command);
    }
}

static void moved_on_ssubscribe_is_followed_at_once(void **state) {
    left.on_command = right.on_command = confirms_topics;
    subscribes_on_moved = keeps_its_slots_to_itself = true;
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
    stage_until(strcmp(right.last, "SSUBSCRIBE foo") == 0);
    subscribes_on_moved = false;
    stage_until(ears.subscribed == 1);
    assert_ptr_equal(fake_of(listener), &left);
    assert_int_equal(ears.lost, 0);
}

static void an_unsolicited_sunsubscribe_means_look_again(void **state) {
    left.on_command = right.on_command = confirms_topics;
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
    stage_until(ears.subscribed == 1);
    say_push(listener, "sunsubscribe", "foo", ":0");
    high = foo = &left;
    right.on_command = moved_away;
    stage_until(ears.subscribed == 2);
    assert_true(ears_heard(&ears, "+foo -foo +foo "));
    say_push(listener, "smessage", "foo", "$5\r\nhello");
    stage_until(ears.messages == 1);
}

static void a_topic_that_the_slots_owner_drops_is_subscribed_again(void **state) {
    left.on_command = right.on_command = confirms_topics;
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
    stage_until(ears.subscribed == 1);
    say_push(listener, "sunsubscribe", "foo", ":0");
    stage_until(ears.subscribed == 2);
    assert_true(ears_heard(&ears, "+foo -foo +foo "));
}

static void moves_without_a_word(struct fake_client *client, const char *command) {
    if (strcmp(command, "GET foo") == 0)
        say_to(client, "MOVED", &left);
    else
        confirms_topics(client, command);
}

static void a_slot_that_moves_silently_is_noticed_by_the_map(void **state) {
    left.on_command = right.on_command = confirms_topics;
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
    stage_until(ears.subscribed == 1);
    foo = &left;
    right.on_command = moves_without_a_word;
    answer_to(redis, "GET foo");
    stage_until(ears.subscribed == 2);
    assert_int_equal(ears.lost, 1);
    assert_ptr_equal(fake_of(listener), &left);
    assert_string_equal(right.last, "SUNSUBSCRIBE foo");
}

/* Without redirects and lost topics, a client that only subscribes gets no other hint. */
static void the_map_is_looked_at_without_an_occasion(void **state) {
    left.on_command = right.on_command = confirms_topics;
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
    stage_until(ears.subscribed == 1);
    stage_pass(2000); /* the initial looks are done */
    foo = &left;
    for (unsigned seconds = 0; ears.subscribed < 2; seconds++) {
        assert_true(seconds < 60);
        stage_pass(1000); /* on the accelerated clock */
    }
    assert_ptr_equal(fake_of(listener), &left);
}

/* Its slots have no new owner yet, but the other servers receive the same messages. */
static void classic_topics_leave_a_dead_server_before_it_is_replaced(void **state) {
    left.on_command = right.on_command = confirms_topics;
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("everywhere"));
    stage_until(ears.subscribed == 1);
    struct fake_server *dead = fake_of(listener), *other = dead == &left ? &right : &left;
    fake_stop(dead);
    stage_until(ears.subscribed == 2);
    assert_ptr_equal(fake_of(listener), other);
    assert_false(redis_is_up(redis));
}

static void a_refused_topic_is_tried_again_without_haste(void **state) {
    left.on_command = right.on_command = cluster_command; /* "+OK" does not confirm a subscription */
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
    stage_pass(1000); /* time enough for several attempts */
    assert_in_range(right.commands, 1, 15);
    stage_until(right.commands >= 3);
    right.on_command = confirms_topics;
    stage_until(ears.subscribed == 1);
}

static void a_topic_wanted_again_while_it_goes_is_subscribed(void **state) {
    left.on_command = right.on_command = confirms_topics;
    for (int i = 0; i < 20; i++) {
        subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
        stage_pass(i * 8 % 40); /* in another state of the subscription each time */
        subscriber_drop(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
        stage_pass(90 + (unsigned)i); /* it lingers for 100 ms */
    }
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
    stage_until(subscriber_has(ears.subscriber, TOPIC_SHARDED, SLICE("foo")));
    assert_string_equal(right.last, "SSUBSCRIBE foo");
}

static void a_mute_subscriber_link_is_found_within_five_seconds(void **state) {
    left.on_command = right.on_command = confirms_topics;
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
    stage_until(ears.subscribed == 1);
    right.swallows = true;
    uint64_t begun_ms = loop_now_ms(stage_loop);
    stage_until(ears.lost == 1);
    assert_in_range(loop_now_ms(stage_loop) - begun_ms, 0, 5500);
    right.swallows = false;
    stage_until(ears.subscribed == 2);
}

static void a_message_beyond_the_bound_ends_the_connection_and_the_topic_returns(void **state) {
    left.on_command = right.on_command = confirms_topics;
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("foo"));
    stage_until(ears.subscribed == 1);
    fake_say(listener, "*3\r\n$8\r\nsmessage\r\n$3\r\nfoo\r\n$4294967296\r\n");
    stage_until(ears.subscribed == 2);
    assert_int_equal(ears.lost, 1);
    assert_int_equal(ears.messages, 0);
}

/* --- Sentinels --- */

static struct fake_server *believed, *stubborn, *its_belief;
static const char *role;
static bool answers_nobody;

static void sentinel_command(struct fake_client *client, const char *command) {
    char reply[128], port[16];
    if (strncmp(command, "SUBSCRIBE", 9) == 0) listener = client;
    if (strncmp(command, "SENTINEL", 8) == 0) {
        if (answers_nobody) return;
        snprintf(port, sizeof(port), "%d", (fake_of(client) == stubborn ? its_belief : believed)->port);
        snprintf(reply, sizeof(reply), "*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
        fake_say(client, reply);
    } else {
        fake_default(client, command);
    }
}

static void plays_a_role(struct fake_client *client, const char *command) {
    char reply[64];
    if (strcmp(command, "ROLE") == 0) {
        snprintf(reply, sizeof(reply), "*1\r\n$%zu\r\n%s\r\n", strlen(role), role);
        fake_say(client, reply);
    } else {
        fake_default(client, command);
    }
}

static void a_master_that_says_it_is_none_is_not_believed(void **state) {
    struct fake_server sentinel = {.on_command = sentinel_command}, server = {.on_command = plays_a_role};
    fake_start(&sentinel);
    fake_start(&server);
    believed = &server;
    role = "slave";
    struct redis *watched = REDIS_TO(REDIS_SENTINEL, sentinel.address);
    stage_until(server.connections >= 2);
    assert_false(redis_is_up(watched));
    assert_string_equal(answer_to(watched, "SET key value").reason, "away");
    assert_int_equal(server.commands, 0);
    role = "master";
    stage_until(redis_is_up(watched));
    assert_int_equal(answer_to(watched, "SET key value").status, REDIS_DONE);
    role = "slave"; /* without telling anyone: an idle connection asks */
    stage_until(!redis_is_up(watched));
    redis_free(&watched);
    fake_stop(&sentinel);
    fake_stop(&server);
}

/* It publishes the change, but still gives the old answer to questions. */
static void a_sentinels_word_of_a_new_master_is_heard(void **state) {
    struct fake_server sentinel = {.on_command = sentinel_command}, old = {0}, elected = {0};
    char word[64], news[128];
    fake_start(&sentinel);
    fake_start(&old);
    fake_start(&elected);
    believed = &old;
    listener = NULL;
    struct redis *watched = REDIS_TO(REDIS_SENTINEL, sentinel.address);
    stage_until(redis_is_up(watched) && listener);
    answers_nobody = true;
    snprintf(word, sizeof word, "mymaster 127.0.0.1 %d 127.0.0.1 %d", old.port, elected.port);
    snprintf(news, sizeof news, "$%zu\r\n%s", strlen(word), word);
    say_push(listener, "message", "+switch-master", news);
    stage_until(elected.open > 0 && redis_is_up(watched));
    answer_to(watched, "SET key value");
    assert_string_equal(elected.last, "SET key value");
    answers_nobody = false;
    redis_free(&watched);
    fake_stop(&sentinel);
    fake_stop(&old);
    fake_stop(&elected);
}

static void most_sentinels_are_believed_not_the_first(void **state) {
    struct fake_server sentinels[3], isolated = {0}, elected = {0};
    fake_start(&isolated);
    fake_start(&elected);
    for (int i = 0; i < 3; i++) {
        sentinels[i] = (struct fake_server){.on_command = sentinel_command};
        fake_start(&sentinels[i]);
    }
    believed = &isolated;
    struct redis *watched = REDIS_TO(REDIS_SENTINEL, sentinels[0].address, sentinels[1].address, sentinels[2].address);
    stage_until(redis_is_up(watched));
    stubborn = &sentinels[0];
    its_belief = &isolated;
    believed = &elected;
    stage_until(elected.open > 0 && redis_is_up(watched));
    answer_to(watched, "SET key value");
    assert_string_equal(elected.last, "SET key value");
    unsigned asked = sentinels[0].commands;
    stage_until(sentinels[0].commands >= asked + 2); /* it was asked again and has answered */
    answer_to(watched, "SET key again");
    assert_string_equal(elected.last, "SET key again");
    redis_free(&watched);
    for (int i = 0; i < 3; i++) fake_stop(&sentinels[i]);
    fake_stop(&isolated);
    fake_stop(&elected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_key_goes_where_its_slot_is),
        TEST(moved_changes_the_map_and_looks_are_put_together),
        TEST(many_moves_are_few_looks),
        TEST(ask_is_followed_once_and_changes_nothing),
        TEST(when_whom_ask_names_is_away_the_slot_is_asked_again),
        TEST(servers_that_do_not_agree_do_not_keep_us_busy),
        TEST(a_dead_primary_is_known_when_the_map_changes),
        TEST(moved_on_ssubscribe_is_followed_at_once),
        TEST(an_unsolicited_sunsubscribe_means_look_again),
        TEST(a_topic_that_the_slots_owner_drops_is_subscribed_again),
        TEST(a_slot_that_moves_silently_is_noticed_by_the_map),
        cmocka_unit_test_setup_teardown(the_map_is_looked_at_without_an_occasion, set_up_in_haste, tear_down),
        TEST(classic_topics_leave_a_dead_server_before_it_is_replaced),
        TEST(a_refused_topic_is_tried_again_without_haste),
        TEST(a_topic_wanted_again_while_it_goes_is_subscribed),
        TEST(a_message_beyond_the_bound_ends_the_connection_and_the_topic_returns),
        TEST(a_mute_subscriber_link_is_found_within_five_seconds),
        TEST(a_master_that_says_it_is_none_is_not_believed),
        TEST(a_sentinels_word_of_a_new_master_is_heard),
        TEST(most_sentinels_are_believed_not_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
