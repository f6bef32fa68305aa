/* SPDX-License-Identifier: Apache-2.0 */
/* One real Redis: commands, scripts, an ACL user, topics, and a restart. */
#include <signal.h>

#include "inside/inside.h"
#include "redis/redis.h"
#include "redis/redis_gathering.h"
#include "redis/redis_slots.h"
#include "support/redis_stage.h"

static int port;
static char address[32];
static struct redis *redis;
static struct ears ears;

static int set_up(void **state) {
    stage_set_up(state);
    assert_int_equal(real_ports("ports", &port, 1), 1);
    snprintf(address, sizeof(address), "127.0.0.1:%d", port);
    free(redis_cli(port, "flushall"));
    redis = REDIS_TO(REDIS_STANDALONE, address);
    ears_open(&ears, redis);
    return 0;
}

static int tear_down(void **state) {
    ears_close(&ears);
    redis_free(&redis);
    return stage_tear_down(state);
}

static void replies_of_every_kind_arrive(void **state) {
    assert_string_equal(answer_to(redis, "SET key value").text, "OK");
    assert_string_equal(answer_to(redis, "GET key").text, "value");
    assert_int_equal(answer_to(redis, "INCRBY number 41").integer, 41);
    assert_int_equal(answer_to(redis, "GET nothing").type, REDIS_NIL);
    assert_int_equal(answer_to(redis, "INCR key").status, REDIS_FAILED);
    answer_to(redis, "RPUSH list a b c");
    assert_string_equal(answer_to(redis, "LRANGE list 0 -1").text, "a b c");
    assert_int_equal(answer_to(redis, "LRANGE nothing 0 -1").type, REDIS_ARRAY);
}

static void a_name_is_resolved_without_waiting(void **state) {
    char named[32];
    snprintf(named, sizeof(named), "localhost:%d", port);
    struct redis *by_name = REDIS_TO(REDIS_STANDALONE, named);
    stage_until(redis_is_up(by_name));
    assert_string_equal(answer_to(by_name, "PING").text, "PONG");
    redis_free(&by_name);
}

static void a_script_outlives_the_servers_memory_of_it(void **state) {
    struct redis_script script;
    redis_script_init(&script, SLICE("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}"));
    for (int i = 1; i <= 3; i++) {
        struct asked asked;
        char expected[32];
        asked_init(&asked);
        if (i == 3) answer_to(redis, "SCRIPT FLUSH");
        redis_eval(redis, &asked.call, &script, &SLICE("counter"), 1, &SLICE("argument"), 1);
        stage_until(asked.answers);
        snprintf(expected, sizeof(expected), "counter argument %d", i);
        assert_string_equal(asked.text, expected);
    }
}

static void topics_of_every_kind_are_heard(void **state) {
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    subscriber_want(ears.subscriber, TOPIC_PATTERN, SLICE("ne*"));
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("news"));
    stage_until(ears.subscribed == 3);
    assert_true(subscriber_has(ears.subscriber, TOPIC_SHARDED, SLICE("news")));
    redis_publish(redis, NULL, false, SLICE("news"), SLICE("one"));
    redis_publish(redis, NULL, true, SLICE("news"), SLICE("two"));
    stage_until(ears.messages == 3);
    assert_true(ears_heard(&ears, "news=one ne*>news=one news=two") ||
                ears_heard(&ears, "news=two news=one ne*>news=one"));
}

static void a_topic_that_is_dropped_lingers_and_is_then_unsubscribed(void **state) {
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    stage_until(ears.subscribed == 1);
    subscriber_drop(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    assert_true(subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news")));
    subscriber_drop(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    redis_publish(redis, NULL, false, SLICE("news"), SLICE("unheard"));
    stage_until(strcmp(answer_to(redis, "PUBSUB NUMSUB news").text, "news 0") == 0);
    assert_int_equal(ears.messages, 0);
    assert_false(subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news")));
    stage_until(ears.subscribed == 2);
    redis_publish(redis, NULL, false, SLICE("news"), SLICE("heard"));
    stage_until(ears.messages == 1);
}

static void thousands_of_topics_are_a_few_commands(void **state) {
    char name[32];
    free(redis_cli(port, "config resetstat"));
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "{p}topic-%d", i);
        subscriber_want(ears.subscriber, TOPIC_SHARDED, slice_of(name));
    }
    stage_until(ears.subscribed == 5000);
    char *statistics = redis_cli(port, "info commandstats");
    assert_non_null(strstr(statistics, "cmdstat_ssubscribe:calls=10,"));
    free(statistics);
}

static void a_restart_is_survived_and_told(void **state) {
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("news"));
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    stage_until(ears.subscribed == 2 && redis_is_up(redis));
    real_kill(port);
    stage_until(ears.lost == 2 && !redis_is_up(redis));
    size_t missing;
    assert_int_equal(subscriber_wanted(ears.subscriber, &missing), 2);
    assert_int_equal(missing, 2);
    real_start(port);
    stage_until(ears.subscribed == 4 && redis_is_up(redis));
    redis_publish(redis, NULL, true, SLICE("news"), SLICE("back"));
    stage_until(ears.messages == 1);
}

static void a_stopped_server_is_found_within_five_seconds(void **state) {
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    stage_until(ears.subscribed == 1 && redis_is_up(redis));
    real_signal(port, SIGSTOP);
    uint64_t begun_ms = loop_now_ms(stage_loop);
    stage_until(ears.lost == 1 && !redis_is_up(redis));
    uint64_t took_ms = loop_now_ms(stage_loop) - begun_ms;
    real_signal(port, SIGCONT);
    assert_in_range(took_ms, 0, 5500);
    stage_until(ears.subscribed == 2 && redis_is_up(redis));
}

static void a_connection_that_an_operator_kills_comes_back(void **state) {
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    stage_until(ears.subscribed == 1);
    free(redis_cli(port, "client kill type pubsub"));
    stage_until(ears.subscribed == 2);
    assert_true(ears_heard(&ears, "+news -news +news "));
    subscriber_reconnect(ears.subscriber);
    stage_until(ears.subscribed == 3);
}

/* The user from docs/redis.md, with a password for PASSWORD. */
static void make_documented_user(const char *password) {
    char line[512], rules[512] = "", quoted[1024] = "'";
    FILE *page = fopen(DOCS "/redis.md", "r");
    assert_non_null(page);
    while (fgets(line, sizeof(line), page)) sscanf(line, "user stoa on >PASSWORD %511[^\n]", rules);
    fclose(page);
    assert_true(strlen(rules) > 0);
    size_t len = 1;
    for (const char *at = rules; *at; at++)
        len += (size_t)snprintf(quoted + len, sizeof(quoted) - len, *at == ' ' ? "' '" : "%c", *at);
    snprintf(quoted + len, sizeof(quoted) - len, "'");
    char *answer = redis_cli(port, "acl setuser stoa reset on '>%s' %s", password, quoted);
    assert_string_equal(answer, "OK");
    free(answer);
}

static void assert_not_permitted(struct redis *named, const char *command) {
    struct asked answer = answer_to(named, command);
    if (strncmp(answer.text, "NOPERM", 6) != 0) fail_msg("%s: %s", command, answer.text);
}

static void the_documented_acl_user_can_do_just_what_is_needed(void **state) {
    struct redis_settings settings = {.mode = REDIS_STANDALONE,
                                      .nodes = (const char *const[]){address},
                                      .nodes_len = 1,
                                      .user = "stoa",
                                      .password = "s3cret"};
    struct redis_script script;
    struct asked asked;
    struct ears other;
    struct redis *named = redis_new(stage_loop, &settings, NULL, NULL);
    assert_string_equal(answer_to(named, "SET key value").reason, "away"); /* the user does not exist yet */
    make_documented_user("s3cret");
    stage_until(redis_is_up(named));
    ears_open(&other, named);
    subscriber_want(other.subscriber, TOPIC_SHARDED, SLICE("news"));
    subscriber_want(other.subscriber, TOPIC_PATTERN, SLICE("new*"));
    stage_until(other.subscribed == 2);
    char *clients = redis_cli(port, "client list");
    assert_non_null(strstr(clients, "user=stoa"));
    free(clients);
    assert_string_equal(answer_to(named, "SET key value").text, "OK");
    redis_script_init(&script, SLICE("return redis.call('ZADD', KEYS[1], redis.call('TIME')[1], 'x')"));
    asked_init(&asked);
    redis_eval(named, &asked.call, &script, &SLICE("set"), 1, NULL, 0);
    stage_until(asked.answers);
    assert_int_equal(asked.status, REDIS_DONE);
    redis_publish(named, NULL, true, SLICE("news"), SLICE("hello"));
    stage_until(other.messages == 1);
    assert_non_null(strstr(answer_to(named, "CLUSTER SLOTS").text, "cluster support disabled"));
    assert_int_equal(answer_to(named, "ROLE").status, REDIS_DONE);
    static const char *const forbidden[] = {
        "FLUSHALL",      "KEYS *",       "CONFIG GET dir",      "CLIENT KILL TYPE pubsub",
        "CLUSTER RESET", "SCRIPT FLUSH", "MIGRATE a 1 key 0 1", "SHUTDOWN"};
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(*forbidden); i++) assert_not_permitted(named, forbidden[i]);
    ears_close(&other);
    redis_free(&named);
    free(redis_cli(port, "acl deluser stoa"));
}

static void a_full_server_is_no_reason_to_wait(void **state) {
    free(redis_cli(port, "config set maxmemory 1"));
    struct asked answer = answer_to(redis, "SET key value");
    free(redis_cli(port, "config set maxmemory 64mb"));
    assert_int_equal(answer.status, REDIS_UNAVAILABLE);
    assert_string_equal(answer.reason, "memory");
}

/* Redis closes a subscriber that does not keep up (client-output-buffer-limit pubsub 32mb 8mb 60). */
static void a_subscriber_that_was_too_slow_hears_of_it(void **state) {
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("flood"));
    stage_until(ears.subscribed == 1);
    free(redis_cli(port, "eval 'for i = 1, 60 do redis.call(\"publish\", \"flood\", (\"x\"):rep(1048576)) end' 0"));
    stage_until(ears.lost == 1);
    stage_until(ears.subscribed == 2);
    assert_in_range(ears.messages, 0, 59);
}

static void each_primary_answers(void **state) {
    struct asked asked;
    asked_init(&asked);
    stage_until(redis_is_up(redis));
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    stage_until(ears.subscribed == 1);
    redis_gathering_command(redis, &asked.call, REDIS_ARGS(SLICE("PUBSUB"), SLICE("NUMSUB"), SLICE("news")));
    stage_until(asked.answers);
    assert_int_equal(asked.type, REDIS_ARRAY);
    assert_string_equal(asked.text, "news 1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(replies_of_every_kind_arrive),
        TEST(a_name_is_resolved_without_waiting),
        TEST(a_script_outlives_the_servers_memory_of_it),
        TEST(topics_of_every_kind_are_heard),
        TEST(a_topic_that_is_dropped_lingers_and_is_then_unsubscribed),
        TEST(thousands_of_topics_are_a_few_commands),
        TEST(a_restart_is_survived_and_told),
        TEST(a_stopped_server_is_found_within_five_seconds),
        TEST(a_connection_that_an_operator_kills_comes_back),
        TEST(the_documented_acl_user_can_do_just_what_is_needed),
        TEST(a_full_server_is_no_reason_to_wait),
        TEST(a_subscriber_that_was_too_slow_hears_of_it),
        TEST(each_primary_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
