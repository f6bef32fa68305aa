/* SPDX-License-Identifier: Apache-2.0 */
/* test_bus_redis MODE: the bus over real servers, standalone (classic topics), sentinel, or cluster (sharded ones). */
#include <malloc.h>

#include "base/metrics.h"
#include "bus/bus_redis.h"
#include "redis/redis.h"
#include "support/bus_contract.h"

enum { WORKERS_MAX = 8, PORTS_MAX = 6, TOPICS = 5000, PARTITIONS = 512, PRIMARIES_OF_CLUSTER = 3 };

static enum redis_mode mode;
static int ports[PORTS_MAX];
static size_t ports_len;
static struct redis *connections[WORKERS_MAX]; /* one per worker */
static size_t connections_len;
static struct listener ours, theirs;

static struct bus *new_over_redis(const struct bus_settings *settings, const struct bus_events *events, void *owner) {
    static char addresses[PORTS_MAX][32];
    const char *nodes[PORTS_MAX];
    int seeds[PORTS_MAX];
    size_t len = real_ports(mode == REDIS_SENTINEL ? "sentinels" : "ports", seeds, PORTS_MAX);
    for (size_t i = 0; i < len; i++) {
        snprintf(addresses[i], sizeof addresses[i], "127.0.0.1:%d", seeds[i]);
        nodes[i] = addresses[i];
    }
    struct bus_settings its = *settings;
    its.sharded = mode == REDIS_CLUSTER;
    assert_true(connections_len < WORKERS_MAX);
    struct redis *redis = redis_to(mode, nodes, mode == REDIS_STANDALONE ? 1 : len);
    connections[connections_len++] = redis;
    stage_until(redis_is_up(redis));
    return bus_redis_new(stage_loop, redis, &its, events, owner);
}

static int set_up(void **state) {
    stage_set_up(state);
    ports_len = real_ports("ports", ports, PORTS_MAX);
    return 0;
}

static int tear_down(void **state) {
    while (connections_len > 0) redis_free(&connections[--connections_len]);
    return stage_tear_down(state);
}

static int begin_two(void **state) {
    set_up(state);
    listener_begin(&ours, "ours", NULL);
    listener_begin(&theirs, "theirs", NULL);
    return 0;
}

static int end_two(void **state) {
    listener_end(&ours);
    listener_end(&theirs);
    return tear_down(state);
}

static struct slice numbered(char *text, size_t size, int i) {
    return (struct slice){text, (size_t)snprintf(text, size, "/#channel:c%d", i)};
}

/* The number of calls of a command, summed over all servers. */
static long calls_of(const char *command) {
    char wanted[64];
    long sum = 0;
    snprintf(wanted, sizeof wanted, "cmdstat_%s:calls=", command);
    for (size_t i = 0; i < ports_len; i++) {
        char *statistics = redis_cli(ports[i], "info commandstats");
        const char *found = strstr(statistics, wanted);
        if (found) sum += strtol(found + strlen(wanted), NULL, 10);
        free(statistics);
    }
    return sum;
}

static void on_all(const char *command) {
    for (size_t i = 0; i < ports_len; i++) free(redis_cli(ports[i], "%s", command));
}

static void assert_they_hear(void) {
    size_t before = theirs.len;
    listener_say(&ours, SLICE("/#lobby"), "hello");
    stage_until(theirs.len > before);
}

/* The server disconnects a subscriber that is too slow. */
static void thousands_of_topics_come_back_with_a_command_a_partition(void **state) {
    char text[32];
    for (int i = 0; i < TOPICS; i++) bus_subscribe(theirs.bus, numbered(text, sizeof text, i));
    stage_until(theirs.subscriptions == TOPICS);
    on_all("config resetstat");
    on_all("client kill type pubsub");
    stage_until(theirs.subscriptions == 2 * TOPICS); /* each topic is compared with the store */
    long commands = calls_of(mode == REDIS_CLUSTER ? "ssubscribe" : "subscribe");
    assert_in_range(commands, 1, PARTITIONS + 2 * PRIMARIES_OF_CLUSTER + 2);
    for (int i = 0; i < TOPICS; i += 500) listener_say(&ours, numbered(text, sizeof text, i), "hello");
    stage_until(theirs.len == TOPICS / 500);
}

/* One of a fixed number of tags decides the slot of any topic. */
static void a_topics_slot_is_its_partitions(void **state) {
    char text[32];
    for (int i = 0; i < 100; i++) bus_subscribe(theirs.bus, numbered(text, sizeof text, i));
    stage_until(theirs.subscriptions == 100);
    size_t found = 0;
    for (size_t i = 0; i < ports_len; i++) {
        char *names = redis_cli(ports[i], "pubsub %s 'stoa:*'", mode == REDIS_CLUSTER ? "shardchannels" : "channels");
        for (char *name = strtok(names, "\n"); name; name = strtok(NULL, "\n")) {
            unsigned partition;
            int end = 0;
            if (!strstr(name, "/#channel:")) continue;
            assert_int_equal(sscanf(name, "stoa:{p%3u}:/#channel:%n", &partition, &end), 1);
            assert_true(end > 0 && partition < PARTITIONS);
            found++;
        }
        free(names);
    }
    assert_int_equal(found, 100);
}

static void who_has_not_subscribed_costs_nothing(void **state) {
    listener_subscribe(&theirs, SLICE("/#lobby"));
    int64_t before = metric_get(METRIC_BUS_RECEIVED, NULL);
    for (int i = 0; i < 100; i++) listener_say(&ours, SLICE("/#elsewhere"), "hello");
    assert_they_hear();
    assert_int_equal(metric_get(METRIC_BUS_RECEIVED, NULL) - before, 1);
}

static void flushing_all_loses_nothing(void **state) {
    listener_subscribe(&theirs, SLICE("/#lobby"));
    on_all("flushall");
    assert_they_hear();
    assert_false(theirs.is_degraded);
}

/* Messages that cannot be sent are dropped, not queued. The bus recovers when the server is back. */
static void a_server_that_is_away_costs_no_memory_and_is_found_again(void **state) {
    listener_subscribe(&theirs, SLICE("/#lobby"));
    real_kill(ports[0]);
    uint64_t killed_ms = loop_now_ms(stage_loop);
    stage_until(ours.is_degraded && theirs.is_degraded);
    assert_true(loop_now_ms(stage_loop) - killed_ms >= BUS_DEGRADED_MS - 100); /* not at every short interruption */
    struct buffer detail = {0};
    bus_write_detail(theirs.bus, &detail);
    assert_true(detail.len > 0);
    buffer_done(&detail);
    size_t before = mallinfo2().uordblks;
    char *large = memory_new(1 << 20);
    memset(large, 'x', (1 << 20) - 1);
    for (int i = 0; i < 200; i++) {
        listener_say(&ours, SLICE("/#lobby"), large);
        stage_turn();
    }
    free(large);
    assert_true(mallinfo2().uordblks < before + (24 << 20));
    real_start(ports[0]);
    stage_until(!ours.is_degraded && !theirs.is_degraded);
    assert_true(theirs.subscriptions >= 2);
    size_t heard = theirs.len;
    assert_they_hear();
    assert_true(theirs.len <= heard + 17); /* pending messages, within their bounds */
}

/* Connections are open and the server answers, but delivers nothing. Only a probe detects that. */
static void what_delivers_nothing_is_degraded_though_it_answers(void **state) {
    listener_subscribe(&theirs, SLICE("/#lobby"));
    stage_pass(1200); /* a probe was sent and came back */
    assert_false(theirs.is_degraded);
    int64_t reconnects = metric_get(METRIC_BUS_RECONNECTS, NULL);
    on_all("acl setuser default -publish -spublish");
    stage_until(theirs.is_degraded && ours.is_degraded);
    stage_until(metric_get(METRIC_BUS_RECONNECTS, NULL) > reconnects);
    on_all("acl setuser default +publish +spublish");
    stage_until(!theirs.is_degraded && !ours.is_degraded);
    assert_they_hear();
}

/* Another server takes over, without the first one's subscriptions. */
static void a_failover_loses_no_subscription(void **state) {
    char text[32];
    listener_subscribe(&theirs, SLICE("/#lobby"));
    for (int i = 0; i < 200; i++) bus_subscribe(theirs.bus, numbered(text, sizeof text, i));
    stage_until(theirs.subscriptions == 201);
    size_t killed = 0;
    for (; killed < ports_len; killed++) {
        char *role = redis_cli(ports[killed], "role");
        bool is_primary = strncmp(role, "master", 6) == 0;
        free(role);
        if (is_primary) break;
    }
    real_kill(ports[killed]);
    unsigned before = theirs.subscriptions;
    stage_until(theirs.subscriptions > before && !theirs.is_degraded);
    stage_until(metric_get(METRIC_BUS_DEGRADED, NULL) == 0 && !ours.is_degraded);
    for (int i = 0; i < 200; i++) {
        size_t heard = theirs.len;
        uint64_t end_ms = loop_now_ms(stage_loop) + STAGE_PATIENCE_MS;
        while (theirs.len == heard && loop_now_ms(stage_loop) < end_ms) {
            listener_say(&ours, numbered(text, sizeof text, i), "hello");
            stage_pass(20); /* between two tries */
        }
        assert_true(theirs.len > heard);
    }
    real_start(ports[killed]);
}

/* A slot moves to another primary meanwhile. */
static void topics_follow_their_slots(void **state) {
    char text[32];
    for (int i = 0; i < 1000; i++) bus_subscribe(theirs.bus, numbered(text, sizeof text, i));
    stage_until(theirs.subscriptions == 1000);
    char *to = redis_cli(ports[1], "cluster myid");
    char *from = redis_cli(ports[0], "cluster myid");
    char command[256];
    snprintf(
        command, sizeof command,
        "timeout 60 redis-cli --cluster reshard 127.0.0.1:%d --cluster-from %s --cluster-to %s --cluster-slots 600 "
        "--cluster-yes >/dev/null 2>&1 &",
        ports[0], from, to);
    assert_int_equal(system(command), 0);
    free(from);
    free(to);
    stage_until(theirs.subscriptions > 1000);
    for (int i = 0; i < 1000; i++) {
        size_t heard = theirs.len;
        listener_say(&ours, numbered(text, sizeof text, i), "hello");
        uint64_t end_ms = loop_now_ms(stage_loop) + 1000;
        while (theirs.len == heard && loop_now_ms(stage_loop) < end_ms) stage_turn();
        if (theirs.len == heard) i--; /* its slot moved meanwhile: repeat */
    }
}

int main(int argc, char **argv) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_OF_TWO(name) cmocka_unit_test_setup_teardown(name, begin_two, end_two)
    const struct CMUnitTest everywhere[] = {
        CONTRACT_TESTS(TEST),
        CONTRACT_TESTS_AMONG_OTHERS(TEST),
        TEST_OF_TWO(thousands_of_topics_come_back_with_a_command_a_partition),
        TEST_OF_TWO(a_topics_slot_is_its_partitions),
        TEST_OF_TWO(who_has_not_subscribed_costs_nothing),
        TEST_OF_TWO(flushing_all_loses_nothing),
    };
    const struct CMUnitTest standalone[] = {
        TEST_OF_TWO(a_server_that_is_away_costs_no_memory_and_is_found_again),
        TEST_OF_TWO(what_delivers_nothing_is_degraded_though_it_answers),
    };
    const struct CMUnitTest sentinel[] = {TEST_OF_TWO(a_failover_loses_no_subscription)};
    const struct CMUnitTest cluster[] = {TEST_OF_TWO(topics_follow_their_slots),
                                         TEST_OF_TWO(a_failover_loses_no_subscription)};
    const char *name = argc > 1 ? argv[1] : "standalone";
    mode = strcmp(name, "cluster") == 0    ? REDIS_CLUSTER
           : strcmp(name, "sentinel") == 0 ? REDIS_SENTINEL
                                           : REDIS_STANDALONE;
    contract_new = new_over_redis;
    int failed = cmocka_run_group_tests(everywhere, NULL, NULL);
    if (mode == REDIS_STANDALONE) return failed + cmocka_run_group_tests(standalone, NULL, NULL);
    if (mode == REDIS_SENTINEL) return failed + cmocka_run_group_tests(sentinel, NULL, NULL);
    return failed + cmocka_run_group_tests(cluster, NULL, NULL);
}
