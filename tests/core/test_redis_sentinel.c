/* SPDX-License-Identifier: Apache-2.0 */
/* A real primary with two replicas and three Sentinels: which of them is asked and believed. */
#include "redis/redis_slots.h"
#include "support/redis_stage.h"

static int ports[3], sentinels[3];
static char addresses[3][32];
static struct redis *redis;
static struct ears ears;

static int set_up(void **state) {
    stage_set_up(state);
    assert_int_equal(real_ports("ports", ports, 3), 3);
    assert_int_equal(real_ports("sentinels", sentinels, 3), 3);
    for (int i = 0; i < 3; i++) snprintf(addresses[i], sizeof(addresses[i]), "127.0.0.1:%d", sentinels[i]);
    redis = REDIS_TO(REDIS_SENTINEL, "127.0.0.1:1", addresses[0], addresses[1], addresses[2]);
    ears_open(&ears, redis);
    return 0;
}

static int tear_down(void **state) {
    ears_close(&ears);
    redis_free(&redis);
    return stage_tear_down(state);
}

static int master(void) {
    for (int i = 0; i < 3; i++) {
        char *role = redis_cli(ports[i], "role");
        bool is_master = strncmp(role, "master", 6) == 0;
        free(role);
        if (is_master) return ports[i];
    }
    return 0;
}

static bool has_replicas(int port, int count) {
    char text[32], *out = redis_cli(port, "info replication");
    snprintf(text, sizeof(text), "connected_slaves:%d", count);
    bool found = strstr(out, text) != NULL;
    free(out);
    return found;
}

static bool cli_says_ok(int port, const char *command) {
    char *out = redis_cli(port, "%s", command);
    bool ok = strcmp(out, "OK") == 0;
    free(out);
    return ok;
}

static void the_primary_is_found(void **state) {
    assert_string_equal(answer_to(redis, "SET key value").text, "OK");
    assert_memory_equal(answer_to(redis, "ROLE").text, "master", 6);
    assert_true(redis_is_up(redis));
}

/* The old primary becomes a replica: writes to it would at best get READONLY. */
static void a_demoted_primary_is_left(void **state) {
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    stage_until(ears.subscribed == 1 && redis_is_up(redis));
    int old = master();
    stage_until(has_replicas(old, 2));
    stage_until(cli_says_ok(sentinels[0], "sentinel failover mymaster"));
    stage_until(master() != 0 && master() != old);
    stage_until(ears.subscribed >= 2);
    stage_until(answer_to(redis, "SET key value").status == REDIS_DONE);
    redis_publish(redis, NULL, false, SLICE("news"), SLICE("after"));
    stage_until(ears.messages >= 1);
    char *listeners = redis_cli(old, "pubsub numsub news");
    assert_string_equal(listeners, "news\n0");
    free(listeners);
}

static void a_killed_primary_is_replaced(void **state) {
    subscriber_want(ears.subscriber, TOPIC_CLASSIC, SLICE("news"));
    stage_until(ears.subscribed == 1 && redis_is_up(redis));
    int old = master();
    stage_until(has_replicas(old, 2));
    real_kill(old);
    stage_until(!redis_is_up(redis));
    stage_until(redis_is_up(redis) && ears.subscribed == 2);
    assert_string_equal(answer_to(redis, "SET key value").text, "OK");
    redis_publish(redis, NULL, false, SLICE("news"), SLICE("after"));
    stage_until(ears.messages == 1);
    real_start(old);
    stage_until(master() && has_replicas(master(), 2));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_primary_is_found),
        TEST(a_demoted_primary_is_left),
        TEST(a_killed_primary_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
