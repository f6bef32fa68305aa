/* SPDX-License-Identifier: Apache-2.0 */
/* Replicas of the PostgreSQL store: which one is read, and that no reader sees less than on the primary. */
#include "store_scene.h"

enum { CHANNEL_LEN = 16 };

/* A channel on shard0, whose standbys are read. */
static void put_channel_of_ours(struct asking *asking, char channel[CHANNEL_LEN]) {
    snprintf(channel, CHANNEL_LEN, "%s", channel_on(0, 0));
    put_channel(asking, channel);
}

static struct store *open_with_replica(struct scene *scene) {
    struct store_postgres_settings settings = settings_of(scene, false, true);
    return open_with(scene, &settings);
}

/* Sends more events than a replica may be behind. */
static void write_much(struct scene *scene) {
    servers_sql(
        scene->servers.write[0],
        "SELECT count(pg_logical_emit_message(false, 'lag', repeat('x', 1 << 20))) FROM generate_series(1, 20)");
}

static void own_messages_are_read_however_far_a_replica_is_behind(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    char channel[CHANNEL_LEN];
    scene->asking.store = open_with_replica(scene);
    put_channel_of_ours(asking, channel);
    servers_sql(servers_standby(1), "SELECT pg_wal_replay_pause()");
    struct answer *said = say_in(asking, channel, "own", 0);
    await(asking, said);
    assert_has(ASK(asking, STORE_MESSAGES, .channel_id = S(channel)), "own-0");
    assert_has(ASK(asking, STORE_EVENTS, .channel_id = S(channel)), "own-0");
    assert_has(ASK(asking, STORE_MESSAGE, .channel_id = S(channel), .messages.message_id = S("own-0")), "own-0");
    servers_sql(servers_standby(1), "SELECT pg_wal_replay_resume()");
}

/* Reads until such a server answers. */
static void await_from(struct asking *asking, enum store_op op, const char *channel, const char *from) {
    int64_t before = metric_get(METRIC_STORE_READS, from);
    for (int i = 0; i < 300 && metric_get(METRIC_STORE_READS, from) == before; i++) {
        assert_status(ASK(asking, op, .channel_id = S(channel)), STORE_OK);
        pass(asking, 50); /* between two reads */
    }
    assert_true(metric_get(METRIC_STORE_READS, from) > before);
}

static void await_read_from(struct asking *asking, const char *channel, const char *from) {
    await_from(asking, STORE_EVENTS, channel, from);
}

static void a_replica_is_read_again_when_it_is_back(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    char channel[CHANNEL_LEN];
    scene->asking.store = open_with_replica(scene);
    put_channel_of_ours(asking, channel);
    await_read_from(asking, channel, "replica");
    servers_act("kill", "r1");
    await_read_from(asking, channel, "primary");
    servers_act("start", "r1");
    await_read_from(asking, channel, "replica");
}

static void a_replica_far_behind_is_noticed_and_not_read(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    char channel[CHANNEL_LEN];
    scene->asking.store = open_with_replica(scene);
    put_channel_of_ours(asking, channel);
    await_read_from(asking, channel, "replica");
    servers_sql(servers_standby(1), "SELECT pg_wal_replay_pause()");
    write_much(scene);
    for (int i = 0; i < 300 && metric_get(METRIC_REPLICA_LAG, NULL) < 20 << 20; i++) pass(asking, 50);
    assert_true(metric_get(METRIC_REPLICA_LAG, NULL) >= 20 << 20);
    int64_t in_vain = metric_get(METRIC_STORE_READS, "behind");
    for (int i = 0; i < 5; i++) await_read_from(asking, channel, "primary");
    assert_int_equal(metric_get(METRIC_STORE_READS, "behind"), in_vain);
    servers_sql(servers_standby(1), "SELECT pg_wal_replay_resume()");
    await_read_from(asking, channel, "replica");
}

/* The purposes of shard0's two standbys, as masks. */
static struct store *open_with_purposes(struct scene *scene, unsigned first, unsigned second) {
    struct store_postgres_settings settings = settings_of(scene, false, true);
    static char conninfo[160];
    snprintf(conninfo, sizeof conninfo, "%s", servers_standby(2));
    scene->servers.reads[0].purposes = first;
    scene->servers.reads[1] = (struct store_postgres_replica){conninfo, second};
    scene->servers.shards[0].read_len = 2;
    return open_with(scene, &settings);
}

/* Sends while that standby is suspended: from then on, reads from it lack the message. */
static void leave_behind(struct asking *asking, const char *channel, unsigned standby) {
    static int n;
    servers_sql(servers_standby(standby), "SELECT pg_wal_replay_pause()");
    await_sql(asking, servers_standby(standby), "SELECT pg_get_wal_replay_pause_state()", "paused");
    struct answer *said = say_in(asking, channel, "said", n++);
    await(asking, said);
    assert_status(said, STORE_OK);
}

static void resume(struct asking *asking, const char *channel, unsigned standby) {
    char sql[120];
    servers_sql(servers_standby(standby), "SELECT pg_wal_replay_resume()");
    snprintf(sql, sizeof sql, "SELECT last_seq FROM channel_heads WHERE channel_id = '%s'", channel);
    char head[32];
    struct answer *now = ASK(asking, STORE_CHANNEL, .channel_id = S(channel));
    snprintf(head, sizeof head, "%" PRId64, now->seq);
    await_sql(asking, servers_standby(standby), sql, head);
}

/* All of ten reads are answered by such a server. */
static void all_from(struct asking *asking, enum store_op op, const char *channel, const char *from) {
    await_from(asking, op, channel, from);
    int64_t before = metric_get(METRIC_STORE_READS, from);
    for (int i = 0; i < 10; i++) assert_status(ASK(asking, op, .channel_id = S(channel)), STORE_OK);
    assert_int_equal(metric_get(METRIC_STORE_READS, from), before + 10);
}

static void a_read_goes_to_the_replicas_of_its_purpose(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    char channel[CHANNEL_LEN];
    scene->asking.store = open_with_purposes(scene, 1U << STORE_FOR_HISTORY, 1U << STORE_FOR_SYNC);
    put_channel_of_ours(asking, channel);
    leave_behind(asking, channel, 1);
    all_from(asking, STORE_MESSAGES, channel, "behind");
    all_from(asking, STORE_EVENTS, channel, "replica");
    resume(asking, channel, 1);
    leave_behind(asking, channel, 2);
    all_from(asking, STORE_MESSAGES, channel, "replica");
    all_from(asking, STORE_EVENTS, channel, "behind");
    resume(asking, channel, 2);
}

static void a_replica_for_disaster_recovery_is_not_read(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    char channel[CHANNEL_LEN];
    scene->asking.store = open_with_purposes(scene, 1U << STORE_FOR_DISASTER_RECOVERY, 1U << STORE_FOR_SYNC);
    put_channel_of_ours(asking, channel);
    all_from(asking, STORE_EVENTS, channel, "replica");
    all_from(asking, STORE_MESSAGES, channel, "primary");
}

static void a_replica_without_purpose_replaces_one_far_behind(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    char channel[CHANNEL_LEN];
    scene->asking.store = open_with_purposes(scene, 1U << STORE_FOR_HISTORY, 0);
    put_channel_of_ours(asking, channel);
    leave_behind(asking, channel, 1);
    all_from(asking, STORE_MESSAGES, channel, "behind"); /* it has the purpose, and is not too far behind to be asked */
    write_much(scene);
    all_from(asking, STORE_MESSAGES, channel, "replica");
    resume(asking, channel, 1);
}

/* Otherwise PostgreSQL plans each read as if for a thousand channels, and compiles it first. */
static void a_read_is_planned_for_one_cursor(void **state) {
    struct scene *scene = *state;
    assert_string_equal(
        servers_sql(scene->servers.write[0], "SELECT prorows::int FROM pg_proc WHERE proname = 'stoa_cursor'"), "1");
}

int main(void) {
    static const struct CMUnitTest tests[] = {
        TEST(own_messages_are_read_however_far_a_replica_is_behind),
        TEST(a_read_is_planned_for_one_cursor),
        TEST(a_replica_is_read_again_when_it_is_back),
        TEST(a_replica_far_behind_is_noticed_and_not_read),
        TEST(a_read_goes_to_the_replicas_of_its_purpose),
        TEST(a_replica_for_disaster_recovery_is_not_read),
        TEST(a_replica_without_purpose_replaces_one_far_behind),
    };
    log_set_level(LOG_WARNING);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
