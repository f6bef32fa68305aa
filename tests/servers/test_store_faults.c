/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL store while servers fail: acknowledged messages stay, all requests are answered, other shards go on.
 */
#include "store_scene.h"

static void set_standbys(struct scene *scene, const char *names) {
    char sql[120];
    snprintf(sql, sizeof sql, "ALTER SYSTEM SET synchronous_standby_names = '%s'", names);
    servers_sql(scene->servers.write[0], sql);
    servers_sql(scene->servers.write[0], "SELECT pg_reload_conf()");
    await_sql(&scene->asking, scene->servers.write[0],
              names[0] ? "SELECT (count(*) > 0)::text FROM pg_stat_replication WHERE sync_state = 'quorum'"
                       : "SELECT (current_setting('synchronous_standby_names') = '')::text",
              "true");
}

static void open_quorum(struct scene *scene) {
    struct store_postgres_settings settings = scene->servers.settings;
    set_standbys(scene, "ANY 1 (r1, r2)");
    for (int shard = 1; shard < 3; shard++) scene->servers.write[shard][0] = '\0';
    settings.shards_len = 1;
    settings.durability = STORE_QUORUM;
    scene->asking.store = open_with(scene, &settings);
}

static void stop_receivers(void) {
    servers_act("receiver-stop", "r1");
    servers_act("receiver-stop", "r2");
}

static void let_receivers_go(void) {
    servers_act("receiver-go", "r1");
    servers_act("receiver-go", "r2");
}

/* Sends numbered messages until told to stop; all acknowledgements are checked later. */
struct talk {
    struct answer *answers[3000];
    int len;
};

static void talk_for(struct scene *scene, struct talk *talk, unsigned ms) {
    for (unsigned passed = 0; passed < ms && talk->len < 3000; passed += 5) {
        talk->answers[talk->len] = say_in(&scene->asking, "hall", "talk", talk->len);
        talk->len++;
        pass(&scene->asking, 5); /* between two messages */
    }
}

/* The log is 1, 2, 3 … head, and has each acknowledged message once, under the number that its sender got. */
static int check_talk(struct scene *scene, const struct talk *talk) {
    int acknowledged = 0;
    assert_string_equal(
        servers_sql(scene->servers.write[0],
                    "SELECT count(*) FROM channel_heads h WHERE last_seq <> (SELECT count(*) FROM events e "
                    "WHERE e.channel_id = h.channel_id) OR last_seq <> (SELECT coalesce(max(seq), 0) FROM "
                    "events e WHERE e.channel_id = h.channel_id)"),
        "0");
    for (int i = 0; i < talk->len; i++) {
        char sql[200], expected[64];
        const struct answer *answer = talk->answers[i];
        if (answer->status != STORE_OK) continue;
        acknowledged++;
        snprintf(sql, sizeof sql, "SELECT string_agg(seq::text, ' ') FROM events WHERE client_id = 'talk-%d'", i);
        snprintf(expected, sizeof expected, "%" PRId64, answer->seq);
        assert_string_equal(servers_sql(scene->servers.write[0], sql), expected);
    }
    return acknowledged;
}

static const char *more_advanced_standby(void) {
    char first[64];
    snprintf(first, sizeof first, "%s", servers_sql(servers_standby(1), "SELECT pg_last_wal_receive_lsn()"));
    char sql[120];
    snprintf(sql, sizeof sql, "SELECT (pg_last_wal_receive_lsn() > '%s')::text", first);
    return strcmp(servers_sql(servers_standby(2), sql), "true") == 0 ? "r2" : "r1";
}

static void nothing_acknowledged_is_lost_when_the_primary_is_killed(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct talk talk = {.len = 0};
    open_quorum(scene);
    put_channel(asking, "hall");
    talk_for(scene, &talk, 500);
    char before[STORE_EPOCH_MAX];
    await(asking, talk.answers[0]);
    memcpy(before, talk.answers[0]->epoch, sizeof before);
    servers_act("kill", "shard0");
    talk_for(scene, &talk, 300);
    servers_act("promote", more_advanced_standby());
    talk_for(scene, &talk, 1000);
    asking_wait(asking);
    struct answer *after = say_in(asking, "hall", "after", 0);
    await(asking, after);
    assert_in_range(check_talk(scene, &talk), 100, 3000);
    assert_status(after, STORE_UNAVAILABLE); /* a quorum is required, and the new primary has no standby yet */
}

static void a_lossless_promotion_begins_an_epoch_and_resets_nobody(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = scene->servers.settings;
    settings.shards_len = 1;
    scene->asking.store = open_with(scene, &settings);
    struct answer *channel = ASK(asking, STORE_CHANNEL, .channel_id = S("hall"));
    assert_true(strncmp(channel->epoch, "2-", 2) == 0);
    struct answer *said = say_in(asking, "hall", "again", 0);
    await(asking, said);
    assert_status(said, STORE_OK);
    assert_string_equal(said->epoch, channel->epoch);
    char old[STORE_EPOCH_MAX];
    snprintf(old, sizeof old, "%s",
             servers_sql(scene->servers.write[0], "SELECT number || '-' || incarnation FROM epochs WHERE number = 1"));
    struct answer *resumed =
        ASK(asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = channel->seq, .events.epoch = S(old));
    assert_int_equal(resumed->fork, -1);
    assert_has(resumed, "again-0");
}

static int set_up_again(void **state) {
    struct scene *scene = NEW(struct scene);
    asking_init(&scene->asking);
    assert_true(servers_find(&scene->servers, false, false));
    servers_follow(&scene->servers);
    *state = scene;
    return 0;
}

/* ---- stall: a standby that does not answer */

static void a_stalled_commit_is_unavailable_and_its_retry_a_duplicate(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    open_quorum(scene);
    put_channel(asking, "hall");
    stop_receivers();
    uint64_t before = loop_clock_us(asking->loop) / 1000;
    struct answer *said = say_in(asking, "hall", "stalled", 0);
    await(asking, said);
    uint64_t took_ms = loop_clock_us(asking->loop) / 1000 - before;
    let_receivers_go();
    assert_status(said, STORE_UNAVAILABLE);
    assert_in_range(took_ms, DEADLINE_MS - 100, DEADLINE_MS + 3000);
    struct answer *again = say_in(asking, "hall", "stalled", 0);
    await(asking, again);
    assert_status(again, STORE_OK);
    assert_true(again->duplicate);
    assert_int_equal(again->seq, 1);
    assert_int_equal(ASK(asking, STORE_CHANNEL, .channel_id = S("hall"))->seq, 1);
}

static void a_commit_cancelled_while_it_waits_for_a_standby_is_not_acknowledged(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    open_quorum(scene);
    put_channel(asking, "hall");
    stop_receivers();
    struct answer *said = say_in(asking, "hall", "cancelled", 0);
    await_sql(asking, scene->servers.write[0],
              "SELECT (count(pg_cancel_backend(pid)) > 0)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
              "true");
    pass(asking, 500);        /* an answer would have come */
    assert_false(said->came); /* the server reported success, with a warning */
    let_receivers_go();
    await(asking, said);
    assert_status(said, STORE_OK);
    assert_int_equal(said->seq, 1);
    assert_true(said->duplicate); /* sent again, with the same ids */
}

static void a_stalled_shard_is_not_ready(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    open_quorum(scene);
    put_channel(asking, "hall");
    assert_status(ASK(asking, STORE_PROBE, ), STORE_OK);
    stop_receivers();
    struct answer *probe = SUBMIT(asking, STORE_PROBE, );
    await(asking, probe);
    let_receivers_go();
    assert_status(probe, STORE_UNAVAILABLE);
    for (int i = 0; i < 100 && probe->status != STORE_OK; i++) {
        probe = SUBMIT(asking, STORE_PROBE, );
        await(asking, probe);
    }
    assert_status(probe, STORE_OK);
}

/* ---- lossy: an asynchronous standby that lacks events is promoted */

static void a_promotion_that_loses_events_resets_to_the_last_common_one(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = scene->servers.settings;
    struct answer *last = NULL;
    settings.shards_len = 1;
    scene->asking.store = open_with(scene, &settings);
    put_channel(asking, "hall");
    for (int i = 0; i < 10; i++) last = say_in(asking, "hall", "kept", i);
    await(asking, last);
    await_sql(asking, servers_standby(1), "SELECT last_seq FROM channel_heads", "10");
    servers_act("sender-stop", "shard0");
    for (int i = 0; i < 5; i++) last = say_in(asking, "hall", "lost", i);
    await(asking, last);
    assert_status(last, STORE_OK);
    assert_int_equal(last->seq, 15);
    char cursor[STORE_EPOCH_MAX];
    memcpy(cursor, last->epoch, sizeof cursor);
    servers_act("kill", "shard0");
    servers_act("promote", "r1");
    struct answer *next = say_in(asking, "hall", "after", 0);
    await(asking, next);
    assert_status(next, STORE_OK);
    assert_int_equal(next->seq, 11);
    assert_true(strncmp(next->epoch, "2-", 2) == 0);
    struct answer *reset =
        ASK(asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 15, .events.epoch = S(cursor));
    assert_int_equal(reset->fork, 10);
    assert_has(reset, "after-0");
    assert_has_not(reset, "kept-9");
    struct answer *common =
        ASK(asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 9, .events.epoch = S(cursor));
    assert_int_equal(common->fork, -1);
    assert_has(common, "kept-9");
}

/* PgBouncer keeps its clients' connections while the server behind it becomes a standby: it still answers "SELECT 1".
 */
static void a_primary_that_became_a_standby_is_left_for_the_new_one(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct servers bounced;
    char conninfo[200];
    assert_true(servers_find(&bounced, true, false));
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1,127.0.0.1 port=%.*s,%s",
             (int)strcspn(strstr(bounced.write[0], "port=") + 5, " "), strstr(bounced.write[0], "port=") + 5,
             strstr(servers_standby(1), "port=") + 5);
    struct store_postgres_settings settings = bounced.settings;
    settings.shards_len = 1;
    bounced.shards[0].write = conninfo;
    settings.global = scene->servers.global;
    settings.shards = bounced.shards;
    scene->asking.store = open_with(scene, &settings);
    put_channel(asking, "hall");
    struct answer *before = say_in(asking, "hall", "before", 0);
    await(asking, before);
    assert_status(before, STORE_OK);
    await_sql(asking, servers_standby(1), "SELECT last_seq FROM channel_heads", "1");
    servers_act("promote", "r1");
    servers_act("demote", "shard0");
    struct answer *after = say_in(asking, "hall", "after", 0);
    await(asking, after);
    assert_status(after, STORE_OK);
    assert_int_equal(after->seq, 2);
    assert_true(strncmp(after->epoch, "2-", 2) == 0);
    assert_string_equal(servers_sql(servers_standby(1), "SELECT last_seq FROM channel_heads"), "2");
}

/* ---- shards */

static void a_locked_head_stalls_only_its_channel(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    char hot[16], cold[16];
    scene->asking.store = open_with(scene, &settings);
    snprintf(hot, sizeof hot, "%s", channel_on(0, 0));
    snprintf(cold, sizeof cold, "%s", channel_on(0, 1));
    put_channel(asking, hot);
    put_channel(asking, cold);
    char command[400];
    snprintf(command, sizeof command,
             "timeout 60 psql -qAt -d '%s' -c \"BEGIN; SELECT 'held' FROM channel_heads WHERE channel_id = '%s' FOR "
             "UPDATE\" "
             "-c 'SELECT pg_sleep(8)' -c COMMIT >/dev/null 2>&1 & true",
             scene->servers.write[0], hot);
    assert_int_equal(system(command), 0);
    await_sql(asking, scene->servers.write[0],
              "SELECT (count(*) > 0)::text FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(8)'", "true");
    struct answer *stuck = say_in(asking, hot, "hot", 0);
    uint64_t slowest_ms = 0;
    for (int i = 0; i < 50; i++) {
        uint64_t before = loop_clock_us(asking->loop) / 1000;
        if (i % 10 == 0) say_in(asking, hot, "hot", i + 1);
        struct answer *said = say_in(asking, cold, "cold", i);
        await(asking, said);
        assert_status(said, STORE_OK);
        uint64_t took_ms = loop_clock_us(asking->loop) / 1000 - before;
        if (took_ms > slowest_ms) slowest_ms = took_ms;
    }
    assert_false(stuck->came);
    assert_in_range(slowest_ms, 0, 2000);
    await(asking, stuck);
    assert_status(stuck, STORE_UNAVAILABLE);
    asking_wait(asking);
    await_sql(asking, scene->servers.write[0],
              "SELECT (count(*) > 0)::text FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(8)'", "false");
    struct answer *again = say_in(asking, hot, "hot", 0);
    await(asking, again);
    assert_status(again, STORE_OK);
}

static void a_reader_never_sees_a_number_before_those_below_it(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    const char *channel = channel_on(0, 0);
    scene->asking.store = open_with(scene, &settings);
    struct store *first = scene->asking.store, *second = open_with(scene, &settings);
    put_channel(asking, channel);
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT (coalesce(max(seq), 0) = count(*))::text FROM events WHERE channel_id = '%s'",
             channel);
    for (int i = 0; i < 400; i++) {
        asking->store = i % 2 ? first : second;
        say_in(asking, channel, i % 2 ? "first" : "second", i);
        if (i % 8 == 0) assert_string_equal(servers_sql(scene->servers.write[0], sql), "true");
        pass(asking, 1); /* between two messages */
    }
    asking->store = first;
    asking_wait(asking);
    assert_int_equal(ASK(asking, STORE_CHANNEL, .channel_id = S(channel))->seq, 400);
    store_close(&second, 5000);
}

static void nothing_is_lost_or_doubled_when_pgbouncer_is_killed(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, true, false);
    struct answer *answers[300];
    char channel[16];
    scene->asking.store = open_with(scene, &settings);
    snprintf(channel, sizeof channel, "%s", channel_on(0, 0));
    put_channel(asking, channel);
    for (int i = 0; i < 300; i++) {
        answers[i] = say_in(asking, channel, "talk", i);
        pass(asking, 2); /* between two messages */
        if (i == 100) servers_act("kill", "bouncer");
        if (i == 150) servers_act("start", "bouncer");
    }
    asking_wait(asking);
    for (int i = 0; i < 300; i++) {
        assert_status(answers[i], STORE_OK);
        assert_int_equal(answers[i]->seq, i + 1);
    }
}

static void two_maps_never_write_one_channel_to_two_shards(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    struct error error;
    char channel[16];
    scene->asking.store = open_with(scene, &settings);
    struct store *first = scene->asking.store, *second = open_with(scene, &settings);
    snprintf(channel, sizeof channel, "%s", channel_on(0, 0));
    put_channel(asking, channel);
    struct answer *said = say_in(asking, channel, "one", 0);
    await(asking, said);
    struct shard_map *other = shard_map_new(3);
    assert_true(shard_map_add(other, 0, SHARD_BUCKETS - 1, 2, &error) && shard_map_is_total(other, &error));
    store_set_shards(second, other); /* as if nobody had asked it */
    asking->store = second;
    assert_status(ASK(asking, STORE_CHANNEL_PUT, .channel_id = S(channel)), STORE_UNAVAILABLE);
    struct answer *elsewhere = say_in(asking, channel, "two", 0);
    await(asking, elsewhere);
    assert_status(elsewhere, STORE_NOT_FOUND);
    /* Such a map is refused once it is known which buckets have channels. */
    for (int i = 0; i < 200 && store_check_shards(first, other, &error); i++) pass(asking, 50);
    assert_false(store_check_shards(first, other, &error));
    assert_non_null(strstr(error.text, "would move to shard 2"));
    assert_non_null(strstr(error.text, channel));
    struct shard_map *many = shard_map_new_even(4), *same = shard_map_new_even(3);
    assert_false(store_check_shards(first, many, &error));
    assert_true(store_check_shards(first, same, &error));
    shard_map_unref(&many);
    shard_map_unref(&same);
    shard_map_unref(&other);
    asking->store = first;
    store_close(&second, 5000);
}

/* Must be the last of its group: the shard stays down. */
static void a_missing_shard_leaves_the_others_working(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    char here[16], away[16], list[64];
    scene->asking.store = open_with(scene, &settings);
    snprintf(here, sizeof here, "%s", channel_on(0, 0));
    snprintf(away, sizeof away, "%s", channel_on(1, 0));
    const char *both[] = {here, away};
    for (int i = 0; i < 2; i++) {
        put_channel(asking, both[i]);
        ASK(asking, STORE_MEMBER_PUT, .channel_id = S(both[i]), .user_id = S("bob"), .member.role = S("member"));
        struct answer *said = say_in(asking, both[i], "said", i);
        await(asking, said);
        assert_status(said, STORE_OK);
    }
    servers_act("kill", "shard1");
    struct answer *lost = say_in(asking, away, "lost", 0), *good = say_in(asking, here, "good", 0);
    await(asking, good);
    assert_status(good, STORE_OK);
    assert_status(ASK(asking, STORE_PROBE, ), STORE_OK);
    snprintf(list, sizeof list, "[\"%s\",\"%s\"]", here, away);
    struct answer *heads = asking_list(asking, STORE_HEADS, S(list));
    assert_true(heads->partial);
    assert_has(heads, here);
    assert_has_not(heads, away);
    struct answer *channels = ASK(asking, STORE_USER_CHANNELS, .user_id = S("bob"));
    assert_true(channels->partial);
    assert_has(channels, "\"unread\":2}");
    assert_has(channels, "\"readSeq\":0}");
    await(asking, lost);
    assert_status(lost, STORE_UNAVAILABLE);
    servers_act("start", "shard1");
    struct answer *again = lost;
    for (int i = 0; i < 100 && again->status != STORE_OK; i++) {
        again = say_in(asking, away, "lost", 0);
        await(asking, again);
        pass(asking, 100); /* between two tries */
    }
    assert_status(again, STORE_OK);
    assert_int_equal(again->seq, 2);
}

static void refuses_to_start(struct scene *scene, enum store_durability durability, const char *words) {
    struct store_postgres_settings settings = scene->servers.settings;
    struct error error = {""};
    settings.durability = durability;
    struct store *store = store_postgres_new(scene->asking.loop, &settings, &error);
    assert_null(store);
    if (!strstr(error.text, words)) fail_msg("%s: not in: %s", words, error.text);
}

static void less_durability_than_promised_is_refused(void **state) {
    struct scene *scene = *state;
    settings_of(scene, false, false);
    refuses_to_start(scene, STORE_QUORUM, "synchronous_standby_names is empty");
    servers_sql(scene->servers.write[1], "ALTER DATABASE shard1 SET synchronous_commit = off");
    refuses_to_start(scene, STORE_PRIMARY, "synchronous_commit is off");
    struct store_postgres_settings settings = scene->servers.settings;
    settings.durability = STORE_RELAXED;
    scene->asking.store = open_with(scene, &settings);
    servers_sql(scene->servers.write[1], "ALTER DATABASE shard1 RESET synchronous_commit");
}

static void an_epoch_begins_once_above_all_known_ones(void **state) {
    struct scene *scene = *state;
    const char *shard = scene->servers.write[0];
    assert_string_equal(servers_sql(shard, "DELETE FROM epochs; SELECT number FROM stoa_epoch(9)"), "10");
    assert_string_equal(servers_sql(shard, "SELECT number FROM stoa_epoch(20)"), "10");
    servers_sql(shard, "UPDATE epochs SET timeline = 'another'");
    assert_string_equal(servers_sql(shard, "SELECT number FROM stoa_epoch(10)"), "11");
}

static void a_database_that_was_not_migrated_is_refused(void **state) {
    struct scene *scene = *state;
    settings_of(scene, false, false);
    servers_sql(scene->servers.global, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    refuses_to_start(scene, STORE_PRIMARY, "run: stoa migrate --config config/cluster.lua");
}

static const struct CMUnitTest quorum[] = {
    TEST(nothing_acknowledged_is_lost_when_the_primary_is_killed),
    cmocka_unit_test_setup_teardown(a_lossless_promotion_begins_an_epoch_and_resets_nobody, set_up_again, tear_down),
};
static const struct CMUnitTest switchover[] = {TEST(a_primary_that_became_a_standby_is_left_for_the_new_one)};
static const struct CMUnitTest lossy[] = {TEST(a_promotion_that_loses_events_resets_to_the_last_common_one)};
static const struct CMUnitTest stall[] = {
    TEST(a_stalled_commit_is_unavailable_and_its_retry_a_duplicate),
    TEST(a_commit_cancelled_while_it_waits_for_a_standby_is_not_acknowledged),
    TEST(a_stalled_shard_is_not_ready),
};
static const struct CMUnitTest shards[] = {
    TEST(a_locked_head_stalls_only_its_channel),
    TEST(a_reader_never_sees_a_number_before_those_below_it),
    TEST(nothing_is_lost_or_doubled_when_pgbouncer_is_killed),
    TEST(two_maps_never_write_one_channel_to_two_shards),
    TEST(less_durability_than_promised_is_refused),
    TEST(an_epoch_begins_once_above_all_known_ones),
    TEST(a_missing_shard_leaves_the_others_working),
    TEST(a_database_that_was_not_migrated_is_refused),
};

int main(int argc, char **argv) {
    const char *group = argc > 1 ? argv[1] : "";
    log_set_level(LOG_WARNING);
    if (strcmp(group, "quorum") == 0) return cmocka_run_group_tests(quorum, NULL, NULL);
    if (strcmp(group, "switchover") == 0) return cmocka_run_group_tests(switchover, NULL, NULL);
    if (strcmp(group, "lossy") == 0) return cmocka_run_group_tests(lossy, NULL, NULL);
    if (strcmp(group, "stall") == 0) return cmocka_run_group_tests(stall, NULL, NULL);
    if (strcmp(group, "shards") == 0) return cmocka_run_group_tests(shards, NULL, NULL);
    fprintf(stderr, "usage: %s quorum|switchover|lossy|stall|shards\n", argv[0]);
    return 64;
}
