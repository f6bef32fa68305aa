/* SPDX-License-Identifier: Apache-2.0 */
/* Commands to one scripted server: what the caller gets, whatever the server or the network does. */
#include "base/metrics.h"
#include "redis/redis.h"
#include "redis/redis_slots.h"
#include "support/redis_stage.h"

static struct fake_server server;
static struct redis *redis;

static int set_up(void **state) {
    stage_set_up(state);
    server = (struct fake_server){0};
    fake_start(&server);
    redis = REDIS_TO(REDIS_STANDALONE, server.address);
    return 0;
}

static int tear_down(void **state) {
    redis_free(&redis);
    fake_stop(&server);
    return stage_tear_down(state);
}

static void a_command_is_answered(void **state) {
    struct asked answer = answer_to(redis, "SET key value");
    assert_int_equal(answer.status, REDIS_DONE);
    assert_string_equal(answer.text, "OK");
    assert_string_equal(server.last, "SET key value");
    assert_true(redis_is_up(redis));
}

static void note_change(void *owner, bool up) {
    buffer_append_char(owner, up ? '+' : '-');
}

static void ups_and_downs_are_told(void **state) {
    static const struct redis_events events = {note_change};
    struct buffer changes = {0};
    struct redis_settings settings = {
        .mode = REDIS_STANDALONE, .nodes = (const char *const[]){server.address}, .nodes_len = 1};
    struct redis *watched = redis_new(stage_loop, &settings, &events, &changes);
    stage_until(changes.len == 1);
    fake_stop(&server);
    stage_until(changes.len == 2);
    fake_restart(&server);
    stage_until(changes.len == 3);
    assert_memory_equal(changes.ptr, "+-+", 3);
    redis_free(&watched);
    buffer_done(&changes);
}

static void echo(struct fake_client *client, const char *command) {
    char reply[1200];
    if (fake_greets(client, command)) return;
    snprintf(reply, sizeof(reply), "$%zu\r\n%s\r\n", strlen(command), command);
    fake_say(client, reply);
}

static void answers_come_in_order_and_what_a_turn_asks_leaves_at_once(void **state) {
    struct asked asked[100];
    char command[32];
    server.on_command = echo;
    answer_to(redis, "GET first");
    unsigned reads = server.reads;
    for (int i = 0; i < 100; i++) {
        asked_init(&asked[i]);
        snprintf(command, sizeof(command), "GET %d", i);
        ask(redis, &asked[i], command);
        assert_int_equal(asked[i].answers, 0);
    }
    stage_until(asked[99].answers);
    assert_int_equal(server.reads, reads + 1);
    for (int i = 0; i < 100; i++) {
        snprintf(command, sizeof(command), "GET %d", i);
        assert_string_equal(asked[i].text, command);
    }
    assert_int_equal(server.connections, 1);
}

static void publishing_has_a_connection_of_its_own(void **state) {
    answer_to(redis, "GET key");
    assert_int_equal(server.open, 1);
    redis_publish(redis, NULL, false, SLICE("topic"), SLICE("payload"));
    stage_until(server.commands == 2);
    assert_string_equal(server.last, "PUBLISH topic payload");
    assert_int_equal(server.open, 2);
    redis_publish(redis, NULL, true, SLICE("topic"), SLICE("payload"));
    stage_until(server.commands == 3);
    assert_string_equal(server.last, "SPUBLISH topic payload");
    assert_int_equal(server.open, 2);
}

/* --- the table of errors --- */

static const char *error_once;

static void fail_once(struct fake_client *client, const char *command) {
    if (fake_greets(client, command)) return;
    fake_say(client, error_once ? error_once : "+OK\r\n");
    error_once = NULL;
}

static struct asked after_error(const char *error) {
    server.on_command = fail_once;
    error_once = error;
    return answer_to(redis, "INCR key");
}

static void what_passes_is_tried_again_and_what_does_not_is_told(void **state) {
    static const struct {
        const char *error;
        enum redis_status status;
        unsigned commands;
    } cases[] = {
        {"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", REDIS_DONE, 2},
        {"-LOADING Redis is loading the dataset in memory\r\n", REDIS_DONE, 2},
        {"-BUSY Redis is busy running a script\r\n", REDIS_DONE, 2},
        {"-CLUSTERDOWN Hash slot not served\r\n", REDIS_DONE, 2},
        {"-MASTERDOWN Link with MASTER is down\r\n", REDIS_DONE, 2},
        {"-READONLY You can't write against a read only replica.\r\n", REDIS_DONE, 2},
        {"-NOREPLICAS Not enough good replicas to write.\r\n", REDIS_DONE, 2},
        {"-NOAUTH Authentication required.\r\n", REDIS_DONE, 2},
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", REDIS_UNAVAILABLE, 1},
        {"-MISCONF Redis is configured to save RDB snapshots\r\n", REDIS_UNAVAILABLE, 1},
        {"-ERR value is not an integer or out of range\r\n", REDIS_FAILED, 1},
        {"-NOPERM this user has no permissions\r\n", REDIS_FAILED, 1},
        {"-WRONGTYPE Operation against a key\r\n", REDIS_FAILED, 1},
        {"-CROSSSLOT Keys in request don't hash to the same slot\r\n", REDIS_FAILED, 1},
        {"-NOSCRIPT No matching script.\r\n", REDIS_FAILED, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        server.commands = 0;
        struct asked answer = after_error(cases[i].error);
        if (answer.status != cases[i].status || server.commands != cases[i].commands)
            fail_msg("%s: status %d after %u commands", cases[i].error, answer.status, server.commands);
        if (answer.status == REDIS_FAILED) assert_memory_equal(answer.text, cases[i].error + 1, strlen(answer.text));
        if (answer.status == REDIS_UNAVAILABLE) assert_string_equal(answer.reason, "memory");
    }
    assert_true(metric_get(METRIC_REDIS_ERRORS, "TRYAGAIN") > 0);
}

static void a_server_that_became_read_only_is_hung_up_on(void **state) {
    answer_to(redis, "GET key");
    unsigned connections = server.connections;
    assert_int_equal(after_error("-READONLY You can't write against a read only replica.\r\n").status, REDIS_DONE);
    assert_int_equal(server.connections, connections + 1);
}

static void always_tryagain(struct fake_client *client, const char *command) {
    if (!fake_greets(client, command)) fake_say(client, "-TRYAGAIN later\r\n");
}

static void trying_again_ends_at_the_deadline(void **state) {
    struct asked asked;
    asked_init(&asked);
    asked.call.deadline_ms = 300;
    server.on_command = always_tryagain;
    ask(redis, &asked, "MGET {a}1 {a}2");
    stage_until(asked.answers);
    assert_int_equal(asked.status, REDIS_UNAVAILABLE);
    assert_string_equal(asked.reason, "deadline");
    assert_in_range(server.commands, 2, 60);
}

/* --- scripts --- */

static void knows_texts_only(struct fake_client *client, const char *command) {
    if (fake_greets(client, command)) return;
    bool known = strncmp(command, "EVAL ", 5) == 0 && strstr(command, " 1 {a} 7");
    fake_say(client, known ? ":42\r\n" : "-NOSCRIPT No matching script.\r\n");
}

static void a_script_that_the_server_does_not_know_is_sent_as_text(void **state) {
    struct redis_script script;
    struct asked asked;
    redis_script_init(&script, SLICE("return 42"));
    assert_string_equal(script.sha1, "1fa00e76656cc152ad327c13fe365858fd7be306");
    asked_init(&asked);
    server.on_command = knows_texts_only;
    redis_eval(redis, &asked.call, &script, &SLICE("{a}"), 1, &SLICE("7"), 1);
    stage_until(asked.answers);
    assert_int_equal(asked.status, REDIS_DONE);
    assert_int_equal(asked.integer, 42);
    assert_string_equal(server.last, "EVAL return 42 1 {a} 7");
    assert_int_equal(server.commands, 2);
}

/* --- bounds --- */

static void say_nothing(struct fake_client *client, const char *command) {
    fake_greets(client, command);
}

static void pending_commands_are_bounded_in_bytes_and_age(void **state) {
    struct redis_settings settings = {.mode = REDIS_STANDALONE,
                                      .nodes = (const char *const[]){server.address},
                                      .nodes_len = 1,
                                      .pending_bytes = 10000,
                                      .deadline_ms = 300};
    struct redis *small = redis_new(stage_loop, &settings, NULL, NULL);
    struct asked asked[20];
    char kilobyte[1001] = "SET key ";
    memset(kilobyte + 8, 'x', 992);
    stage_until(redis_is_up(small));
    server.on_command = say_nothing;
    for (int i = 0; i < 20; i++) {
        asked_init(&asked[i]);
        asked[i].call.deadline_ms = 0;
        ask(small, &asked[i], kilobyte);
    }
    stage_turn();
    assert_int_equal(asked[0].answers, 0);
    assert_string_equal(asked[19].reason, "full");
    assert_false(asked[19].unsure);
    for (int i = 0; i < 20; i++) stage_until(asked[i].answers);
    assert_string_equal(asked[0].reason, "deadline");
    assert_true(asked[0].unsure);
    for (int i = 0; i < 20; i++) assert_int_equal(asked[i].answers, 1);
    redis_free(&small);
}

static void one_command_larger_than_the_bound_is_refused(void **state) {
    struct asked asked;
    size_t len = 17 << 20;
    char *huge = memory_new(len);
    asked_init(&asked);
    redis_command(redis, &asked.call, SLICE("key"),
                  REDIS_ARGS(SLICE("SET"), SLICE("key"), ((struct slice){huge, len})));
    stage_until(asked.answers);
    assert_string_equal(asked.reason, "full");
    free(huge);
}

/* --- the server goes away and comes back --- */

static void a_refused_first_dial_is_not_the_last(void **state) {
    struct fake_server late = {0};
    fake_start(&late);
    fake_stop(&late);
    struct redis *early = REDIS_TO(REDIS_STANDALONE, late.address);
    assert_string_equal(answer_to(early, "GET key").reason, "away");
    stage_pass(500); /* more than one dial is refused */
    fake_restart(&late);
    stage_until(redis_is_up(early));
    assert_int_equal(answer_to(early, "GET key").status, REDIS_DONE);
    redis_free(&early);
    fake_stop(&late);
}

static void while_the_server_is_away_commands_are_refused_at_once(void **state) {
    answer_to(redis, "GET key");
    fake_stop(&server);
    stage_until(!redis_is_up(redis));
    stage_until(strcmp(answer_to(redis, "GET key").reason, "away") == 0);
    uint64_t begun_ms = loop_now_ms(stage_loop);
    assert_string_equal(answer_to(redis, "GET key").reason, "away");
    assert_in_range(loop_now_ms(stage_loop) - begun_ms, 0, 900);
    fake_restart(&server);
    stage_until(redis_is_up(redis));
}

static void hang_up_on_incr(struct fake_client *client, const char *command) {
    if (strncmp(command, "INCR", 4) == 0 && fake_of(client)->commands == 1)
        fake_hang_up(client);
    else
        fake_default(client, command);
}

static void a_lost_command_is_sent_again_only_if_that_does_no_harm(void **state) {
    struct asked asked;
    server.on_command = hang_up_on_incr;
    struct asked lost = answer_to(redis, "INCR key");
    assert_int_equal(lost.status, REDIS_UNAVAILABLE);
    assert_string_equal(lost.reason, "lost");
    assert_true(lost.unsure);
    server.commands = 0;
    asked_init(&asked);
    asked.call.repeatable = true;
    ask(redis, &asked, "INCR key");
    stage_until(asked.answers);
    assert_int_equal(asked.status, REDIS_DONE);
}

static void a_black_hole_is_found_within_five_seconds(void **state) {
    answer_to(redis, "GET key");
    server.swallows = true;
    uint64_t begun_ms = loop_now_ms(stage_loop);
    stage_until(!redis_is_up(redis));
    assert_in_range(loop_now_ms(stage_loop) - begun_ms, 0, 5000);
    server.swallows = false;
    stage_until(redis_is_up(redis));
    assert_int_equal(answer_to(redis, "GET key").status, REDIS_DONE);
}

static void an_idle_connection_stays(void **state) {
    answer_to(redis, "GET key");
    stage_pass(5500); /* longer than its deadlines */
    assert_int_equal(server.connections, 1);
    assert_true(redis_is_up(redis));
}

static void a_forgotten_call_is_not_answered(void **state) {
    struct asked asked, other;
    answer_to(redis, "GET key");
    asked_init(&asked);
    asked_init(&other);
    ask(redis, &asked, "GET a");
    stage_turn(); /* sent */
    ask(redis, &other, "GET b");
    redis_forget(&asked.call);
    redis_forget(&other.call);
    redis_forget(&other.call);
    assert_int_equal(answer_to(redis, "GET c").status, REDIS_DONE);
    assert_int_equal(asked.answers + other.answers, 0);
}

/* --- invalid replies --- */

static struct slice nonsense;

static void say_nonsense(struct fake_client *client, const char *command) {
    if (fake_greets(client, command)) return;
    fake_say_bytes(client, nonsense.ptr, nonsense.len);
}

static void broken_replies_end_the_connection(void **state) {
    struct buffer nested = {0};
    for (int i = 0; i < 10000; i++) buffer_append_str(&nested, "*1\r\n");
    const struct slice cases[] = {
        SLICE("$4294967296\r\nabc"),
        SLICE("*-7\r\n"),
        SLICE("*2147483647\r\n:1\r\n"),
        SLICE("$-2\r\n"),
        SLICE("!21\r\nSYNTAX\r\n"),
        SLICE(":12x\r\n"),
        SLICE("*1000000\r\n*1000000\r\n*1000000\r\n"),
        buffer_slice(&nested),
        SLICE("HTTP/1.1 400 Bad Request\r\n\r\n"),
        SLICE("$99999999999999999999\r\n"),
    };
    server.on_command = say_nonsense;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int64_t broken = metric_get(METRIC_REDIS_ERRORS, "broken reply");
        struct asked asked;
        nonsense = cases[i];
        asked_init(&asked);
        asked.call.deadline_ms = 2000;
        ask(redis, &asked, "GET key");
        stage_until(asked.answers);
        if (metric_get(METRIC_REDIS_ERRORS, "broken reply") != broken + 1) fail_msg("case %zu: %s", i, asked.reason);
    }
    buffer_done(&nested);
}

static void a_reply_beyond_the_bound_ends_the_connection(void **state) {
    struct redis_settings settings = {
        .mode = REDIS_STANDALONE, .nodes = (const char *const[]){server.address}, .nodes_len = 1, .reply_bytes = 4096};
    struct redis *small = redis_new(stage_loop, &settings, NULL, NULL);
    char endless[9000] = "+";
    memset(endless + 1, 'x', sizeof(endless) - 2);
    const struct slice cases[] = {SLICE("$4294967296\r\nabc"), slice_of(endless)};
    server.on_command = say_nonsense;
    for (size_t i = 0; i < 2; i++) {
        int64_t broken = metric_get(METRIC_REDIS_ERRORS, "broken reply");
        nonsense = cases[i];
        stage_until(redis_is_up(small));
        assert_string_equal(answer_to(small, "GET key").reason, "lost");
        assert_int_equal(metric_get(METRIC_REDIS_ERRORS, "broken reply"), broken + 1);
    }
    redis_free(&small);
}

static void a_reply_to_nothing_ends_the_connection(void **state) {
    nonsense = SLICE("+OK\r\n+OK\r\n");
    server.on_command = say_nonsense;
    answer_to(redis, "GET key");
    stage_until(server.connections == 2);
}

/* --- AUTH --- */

static char greeting[256];

static void note_greeting(struct fake_client *client, const char *command) {
    if (strncmp(command, "AUTH", 4) == 0) snprintf(greeting, sizeof(greeting), "%s", command);
    fake_default(client, command);
}

static void the_user_of_the_acl_is_told_first(void **state) {
    struct redis_settings settings = {.mode = REDIS_STANDALONE,
                                      .nodes = (const char *const[]){server.address},
                                      .nodes_len = 1,
                                      .user = "stoa",
                                      .password = "s3cret"};
    server.on_command = note_greeting;
    struct redis *named = redis_new(stage_loop, &settings, NULL, NULL);
    stage_until(redis_is_up(named));
    assert_string_equal(greeting, "AUTH stoa s3cret");
    redis_free(&named);
}

static void slots_are_those_of_the_specification(void **state) {
    assert_int_equal(redis_slots_of_key(SLICE("123456789")), 0x31c3);
    assert_int_equal(redis_slots_of_key(SLICE("foo")), 12182);
    assert_int_equal(redis_slots_of_key(SLICE("{user1000}.following")),
                     redis_slots_of_key(SLICE("{user1000}.followers")));
    assert_int_equal(redis_slots_of_key(SLICE("foo{}{bar}")), 8363);
    assert_int_equal(redis_slots_of_key(SLICE("foo{{bar}}zap")), redis_slots_of_key(SLICE("{bar")));
    assert_int_equal(redis_slots_of_key(SLICE("")), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_command_is_answered),
        TEST(ups_and_downs_are_told),
        TEST(answers_come_in_order_and_what_a_turn_asks_leaves_at_once),
        TEST(publishing_has_a_connection_of_its_own),
        TEST(what_passes_is_tried_again_and_what_does_not_is_told),
        TEST(a_server_that_became_read_only_is_hung_up_on),
        TEST(trying_again_ends_at_the_deadline),
        TEST(a_script_that_the_server_does_not_know_is_sent_as_text),
        TEST(pending_commands_are_bounded_in_bytes_and_age),
        TEST(one_command_larger_than_the_bound_is_refused),
        TEST(a_refused_first_dial_is_not_the_last),
        TEST(while_the_server_is_away_commands_are_refused_at_once),
        TEST(a_lost_command_is_sent_again_only_if_that_does_no_harm),
        TEST(a_black_hole_is_found_within_five_seconds),
        TEST(an_idle_connection_stays),
        TEST(a_forgotten_call_is_not_answered),
        TEST(broken_replies_end_the_connection),
        TEST(a_reply_beyond_the_bound_ends_the_connection),
        TEST(a_reply_to_nothing_ends_the_connection),
        TEST(the_user_of_the_acl_is_told_first),
        TEST(slots_are_those_of_the_specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
