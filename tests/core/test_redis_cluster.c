/* SPDX-License-Identifier: Apache-2.0 */
/* A real Cluster of three primaries with one replica each: slots move, and primaries change and die, while commands
 * run. */
#include "base/metrics.h"
#include "redis/redis.h"
#include "redis/redis_gathering.h"
#include "redis/redis_owners.h"
#include "redis/redis_slots.h"
#include "support/redis_stage.h"

static int ports[6];
static char seed[32];
static struct redis *redis;
static struct ears ears;

static int set_up(void **state) {
    stage_set_up(state);
    assert_int_equal(real_ports("ports", ports, 6), 6);
    snprintf(seed, sizeof(seed), "127.0.0.1:%d", ports[1]);
    redis = REDIS_TO(REDIS_CLUSTER, "127.0.0.1:1", seed);
    ears_open(&ears, redis);
    return 0;
}

static int tear_down(void **state) {
    ears_close(&ears);
    redis_free(&redis);
    return stage_tear_down(state);
}

static bool cli_says(int port, const char *command, const char *text) {
    char *out = redis_cli(port, "%s", command);
    bool found = strstr(out, text) != NULL;
    free(out);
    return found;
}

/* Which server accepts a write of that key; 0: none. */
static int owner_of(const char *key) {
    char command[64];
    snprintf(command, sizeof(command), "set %s 1", key);
    for (int i = 0; i < 6; i++)
        if (cli_says(ports[i], "role", "master") && cli_says(ports[i], command, "OK")) return ports[i];
    return 0;
}

static void node_id(int port, char id_r[41]) {
    char *id = redis_cli(port, "cluster myid");
    snprintf(id_r, 41, "%s", id);
    free(id);
}

/* --- a stream of increments that must all be counted; instead of those of key 0 two keys are read, which gives
 * TRYAGAIN while a slot moves and one of them has moved --- */

enum { STREAM_KEYS = 16, STREAM_AT_A_TIME = 64 };

struct increment {
    struct redis_call call;
    unsigned key;
};

static struct {
    struct increment increments[STREAM_AT_A_TIME];
    unsigned done[STREAM_KEYS], failed, unsure;
    bool stopping;
    unsigned under_way;
} stream;

static void increment(struct increment *increment) {
    char key[32];
    snprintf(key, sizeof(key), "{moves}%u", increment->key);
    stream.under_way++;
    if (increment->key == 0)
        redis_command(redis, &increment->call, slice_of(key),
                      REDIS_ARGS(SLICE("MGET"), SLICE("{moves}1"), SLICE("{moves}15")));
    else
        redis_command(redis, &increment->call, slice_of(key), REDIS_ARGS(SLICE("INCR"), slice_of(key)));
}

static void incremented(struct redis_call *call, const struct redis_answer *answer) {
    struct increment *at = CONTAINER(call, struct increment, call);
    stream.under_way--;
    if (answer->status == REDIS_DONE) stream.done[at->key]++;
    stream.failed += answer->status != REDIS_DONE && !answer->unsure;
    stream.unsure += answer->unsure;
    if (!stream.stopping) increment(at);
}

static void stream_begin(void) {
    memset(&stream, 0, sizeof(stream));
    for (unsigned i = 0; i < STREAM_KEYS; i++) {
        char command[32];
        snprintf(command, sizeof(command), "DEL {moves}%u", i);
        answer_to(redis, command);
    }
    for (unsigned i = 0; i < STREAM_AT_A_TIME; i++) {
        stream.increments[i] =
            (struct increment){.call = {.done = incremented, .deadline_ms = 5000}, .key = i % STREAM_KEYS};
        increment(&stream.increments[i]);
    }
}

static unsigned stream_done(void) {
    unsigned done = 0;
    for (unsigned i = 0; i < STREAM_KEYS; i++) done += stream.done[i];
    return done;
}

/* Waits until that many more are done. */
static void stream_flows(unsigned more) {
    unsigned before = stream_done();
    stage_until(stream_done() >= before + more);
}

static void stream_end(void) {
    stream.stopping = true;
    stage_until(stream.under_way == 0);
}

static void assert_counted_exactly(void) {
    assert_true(stream.done[0] > 0);
    for (unsigned i = 1; i < STREAM_KEYS; i++) {
        char command[32];
        snprintf(command, sizeof(command), "GET {moves}%u", i);
        assert_int_equal(atoi(answer_to(redis, command).text), stream.done[i]);
    }
}

/* --- the tests --- */

static void a_dead_seed_does_not_matter_and_every_slot_is_reached(void **state) {
    stage_until(redis_is_up(redis));
    for (int i = 0; i < 50; i++) {
        char command[64];
        snprintf(command, sizeof(command), "SET key-%d %d", i, i);
        assert_string_equal(answer_to(redis, command).text, "OK");
    }
    struct asked asked;
    asked_init(&asked);
    redis_gathering_command(redis, &asked.call, REDIS_ARGS(SLICE("PING")));
    stage_until(asked.answers);
    assert_string_equal(asked.text, "PONG PONG PONG");
}

static unsigned tags;
static void count_tag(void *owner, struct slice tag) {
    struct buffer *seen = owner;
    char topic[32];
    snprintf(topic, sizeof(topic), "probe{%.*s}", SLICE_ARG(tag));
    buffer_printf(seen, "%d ", owner_of(topic));
    subscriber_want(ears.subscriber, TOPIC_SHARDED, slice_of(topic));
    redis_publish(redis, NULL, true, slice_of(topic), SLICE("probe"));
    tags++;
}

static void each_primary_has_a_tag_of_its_own(void **state) {
    struct buffer seen = {0};
    int owners[3];
    stage_until(redis_is_up(redis));
    tags = 0;
    redis_owners_each_tag(redis, count_tag, &seen);
    assert_int_equal(tags, 3);
    buffer_append_char(&seen, '\0');
    assert_int_equal(sscanf(seen.ptr, "%d %d %d", &owners[0], &owners[1], &owners[2]), 3);
    assert_true(owners[0] != owners[1] && owners[1] != owners[2] && owners[0] != owners[2]);
    stage_until(ears.subscribed == 3);
    buffer_done(&seen);
}

static void sharded_topics_are_subscribed_where_their_slots_are(void **state) {
    char name[32];
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "topic-%d", i);
        subscriber_want(ears.subscriber, TOPIC_SHARDED, slice_of(name));
    }
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("everywhere"));
    stage_until(ears.subscribed == 61);
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "topic-%d", i);
        redis_publish(redis, NULL, true, slice_of(name), SLICE("hello"));
    }
    redis_publish(redis, NULL, false, SLICE("everywhere"), SLICE("hello"));
    stage_until(ears.messages == 61);
    assert_int_equal(ears.lost, 0);
}

static void a_script_is_loaded_wherever_it_is_needed(void **state) {
    struct redis_script script;
    struct asked asked[12];
    char keys[12][16];
    redis_script_init(&script, SLICE("return redis.call('SET', KEYS[1], ARGV[1])"));
    for (int i = 0; i < 12; i++) {
        asked_init(&asked[i]);
        snprintf(keys[i], sizeof(keys[i]), "key-%d", i);
        redis_eval(redis, &asked[i].call, &script, &(struct slice){keys[i], strlen(keys[i])}, 1, &SLICE("v"), 1);
    }
    for (int i = 0; i < 12; i++) {
        stage_until(asked[i].answers);
        assert_string_equal(asked[i].text, "OK");
    }
}

/* By hand, key by key, like redis-cli --cluster reshard: the slot is in migration for a while (ASK, TRYAGAIN). */
static void migrate_slot(unsigned slot, int from, int to) {
    char from_id[41], to_id[41];
    node_id(from, from_id);
    node_id(to, to_id);
    free(redis_cli(to, "cluster setslot %u importing %s", slot, from_id));
    free(redis_cli(from, "cluster setslot %u migrating %s", slot, to_id));
    for (int i = 0; i < STREAM_KEYS; i++) {
        free(redis_cli(from, "migrate 127.0.0.1 %d '{moves}%d' 0 5000", to, i));
        stream_flows(STREAM_AT_A_TIME);
    }
    free(redis_cli(to, "cluster setslot %u node %s", slot, to_id));
    free(redis_cli(from, "cluster setslot %u node %s", slot, to_id));
    for (int i = 0; i < 6; i++)
        if (cli_says(ports[i], "role", "master")) free(redis_cli(ports[i], "cluster setslot %u node %s", slot, to_id));
}

static void a_slot_moves_and_no_command_is_lost_and_its_topics_follow(void **state) {
    unsigned slot = redis_slots_of_key(SLICE("{moves}"));
    int from = owner_of("{moves}0"), to = owner_of("{x}0") == from ? owner_of("{y}0") : owner_of("{x}0");
    for (int i = 0; to == from && i < 3; i++)
        if (cli_says(ports[i], "role", "master")) to = ports[i] == from ? to : ports[i];
    assert_true(from && to && from != to);
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("{moves}topic"));
    stage_until(ears.subscribed == 1);
    for (int round = 0; round < 2; round++) {
        stream_begin();
        stream_flows(10 * STREAM_AT_A_TIME);
        migrate_slot(slot, round ? to : from, round ? from : to);
        stage_until(ears.subscribed == 2U + (unsigned)round);
        stream_flows(10 * STREAM_AT_A_TIME);
        stream_end();
        assert_int_equal(stream.failed + stream.unsure, 0);
        assert_counted_exactly();
        assert_true(metric_get(METRIC_REDIS_ERRORS, "ASK") > 0 && metric_get(METRIC_REDIS_ERRORS, "MOVED") > 0);
        assert_true(metric_get(METRIC_REDIS_ERRORS, "TRYAGAIN") > 0);
        redis_publish(redis, NULL, true, SLICE("{moves}topic"), SLICE("after"));
        stage_until(ears.messages == 1U + (unsigned)round);
        assert_int_equal(ears.lost, 1 + round);
    }
}

static int replica_of(int primary) {
    char id[41];
    node_id(primary, id);
    for (int i = 0; i < 6; i++) {
        char *nodes = redis_cli(ports[i], "cluster nodes | grep myself | grep slave");
        bool mine = strstr(nodes, id) != NULL;
        free(nodes);
        if (mine && cli_says(ports[i], "info replication", "master_link_status:up")) return ports[i];
    }
    return 0;
}

static void a_planned_failover_loses_no_command(void **state) {
    int primary = owner_of("{moves}0"), replica = 0;
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("{moves}topic"));
    stage_until(ears.subscribed == 1 && (replica = replica_of(primary)));
    stream_begin();
    stream_flows(10 * STREAM_AT_A_TIME);
    free(redis_cli(replica, "cluster failover"));
    stage_until(cli_says(replica, "role", "master"));
    stage_until(ears.subscribed >= 2);
    stream_flows(10 * STREAM_AT_A_TIME);
    stream_end();
    assert_int_equal(stream.failed + stream.unsure, 0);
    assert_counted_exactly();
    unsigned heard = ears.messages;
    redis_publish(redis, NULL, true, SLICE("{moves}topic"), SLICE("after"));
    stage_until(ears.messages == heard + 1);
}

static void a_killed_primary_is_replaced_and_its_topics_return(void **state) {
    int primary = owner_of("{moves}0");
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("{moves}topic"));
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("{other}topic"));
    stage_until(ears.subscribed == 2 && replica_of(primary));
    stage_until(redis_is_up(redis));
    real_kill(primary);
    stage_until(!redis_is_up(redis));
    stage_until(redis_is_up(redis) && ears.subscribed == 3);
    assert_true(ears_heard(&ears, "-{moves}topic +{moves}topic "));
    assert_string_equal(answer_to(redis, "SET {moves}0 1").text, "OK");
    redis_publish(redis, NULL, true, SLICE("{moves}topic"), SLICE("after"));
    stage_until(ears.messages == 1);
    real_start(primary);
    stage_until(cli_says(primary, "info replication", "master_link_status:up"));
}

static void when_all_servers_have_died_and_returned_all_is_as_before(void **state) {
    subscriber_want(ears.subscriber, TOPIC_SHARDED, SLICE("{moves}topic"));
    stage_until(ears.subscribed == 1 && redis_is_up(redis));
    for (int i = 0; i < 6; i++) real_kill(ports[i]);
    stage_until(ears.lost == 1 && !redis_is_up(redis));
    stage_until(strcmp(answer_to(redis, "GET {moves}0").reason, "away") == 0);
    for (int i = 0; i < 6; i++) real_start(ports[i]);
    stage_until(redis_is_up(redis) && ears.subscribed == 2);
    stage_until(answer_to(redis, "SET {moves}0 1").status == REDIS_DONE);
    redis_publish(redis, NULL, true, SLICE("{moves}topic"), SLICE("after"));
    stage_until(ears.messages == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_dead_seed_does_not_matter_and_every_slot_is_reached),
        TEST(each_primary_has_a_tag_of_its_own),
        TEST(sharded_topics_are_subscribed_where_their_slots_are),
        TEST(a_script_is_loaded_wherever_it_is_needed),
        TEST(a_slot_moves_and_no_command_is_lost_and_its_topics_follow),
        TEST(a_planned_failover_loses_no_command),
        TEST(a_killed_primary_is_replaced_and_its_topics_return),
        TEST(when_all_servers_have_died_and_returned_all_is_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
