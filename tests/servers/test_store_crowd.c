/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL store when something blocks one caller: the others must not notice. */
#include <libpq-fe.h>

#include "store_scene.h"

/* A connection that is not Stoa's. */
static PGconn *somebody(const char *conninfo) {
    PGconn *connection = PQconnectdb(conninfo);
    assert_int_equal(PQstatus(connection), CONNECTION_OK);
    return connection;
}

static void does(PGconn *connection, const char *sql) {
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) fail_msg("%s: %s", sql, PQerrorMessage(connection));
}

/* Its transaction locks the channel's head until it ends. */
static void holds(PGconn *connection, const char *channel) {
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT FROM channel_heads WHERE channel_id = '%s' FOR UPDATE", channel);
    does(connection, sql);
}

/* The share of the default pools for each of eight workers. */
static struct store_postgres_settings settings_of_eight_workers(struct scene *scene) {
    struct store_postgres_settings settings = settings_of(scene, false, false);
    settings.write_max = 2;
    settings.min = 1;
    settings.reserve = 1;
    settings.reserve_after_ms = 5000;
    settings.budget = 18;
    return settings;
}

enum { HELD = 2, HALL = HELD, FREED, CHANNELS };

static void put_channels(struct scene *scene, char ids[CHANNELS][16]) {
    for (unsigned i = 0; i < CHANNELS; i++) {
        snprintf(ids[i], sizeof ids[i], "%s", channel_on(0, i));
        put_channel(&scene->asking, ids[i]);
    }
}

static void assert_whole(struct scene *scene) {
    await_sql(&scene->asking, scene->servers.write[0],
              "SELECT (count(*) = count(DISTINCT (channel_id, client_id)) AND count(*) = (SELECT sum(last_seq) FROM "
              "channel_heads))::text FROM events",
              "true");
}

static void locked_heads_stop_no_other_channel(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of_eight_workers(scene);
    char ids[CHANNELS][16];
    struct answer *stuck[HELD];
    scene->asking.store = open_with(scene, &settings);
    put_channels(scene, ids);
    PGconn *holder = somebody(scene->servers.write[0]), *brief = somebody(scene->servers.write[0]);
    does(holder, "BEGIN");
    does(brief, "BEGIN");
    for (int i = 0; i < HELD; i++) holds(holder, ids[i]);
    holds(brief, ids[FREED]);
    for (int i = 0; i < HELD; i++) stuck[i] = say_in(asking, ids[i], "stuck", i);
    struct answer *freed = say_in(asking, ids[FREED], "freed", 0);
    int said = 0;
    uint64_t released_ms = 0, waited_ms = UINT64_MAX;
    while (!stuck[0]->came) { /* until its deadline */
        struct answer *free = say_in(asking, ids[HALL], "free", said++);
        await(asking, free);
        assert_status(free, STORE_OK);
        if (said == 20) {
            does(brief, "ROLLBACK");
            released_ms = loop_clock_us(asking->loop) / 1000;
        }
        if (freed->came && waited_ms == UINT64_MAX) waited_ms = loop_clock_us(asking->loop) / 1000 - released_ms;
    }
    assert_in_range(said, 200, 100000);
    assert_status(freed, STORE_OK);
    assert_in_range(waited_ms, 0, 2000); /* it is served although others are locked */
    for (int i = 0; i < HELD; i++) {
        await(asking, stuck[i]);
        assert_status(stuck[i], STORE_UNAVAILABLE);
    }
    does(holder, "ROLLBACK");
    for (int i = 0; i < HELD; i++) {
        struct answer *again = say_in(asking, ids[i], "stuck", i);
        await(asking, again);
        assert_status(again, STORE_OK);
        assert_int_equal(again->seq, 1);
    }
    asking_wait(asking);
    assert_whole(scene);
    PQfinish(holder);
    PQfinish(brief);
}

/* If probes waited for each other, a fleet would need seconds for all commits. */
static void a_probe_does_not_wait_for_other_workers_probes(void **state) {
    struct scene *scene = *state;
    struct store_postgres_settings settings = settings_of_eight_workers(scene);
    PGconn *others[20];
    settings.shards_len = 1;
    scene->asking.store = open_with(scene, &settings);
    for (int i = 0; i < 20; i++) {
        others[i] = somebody(scene->servers.write[0]);
        does(others[i], "BEGIN");
        does(others[i], "SET LOCAL lock_timeout = '2s'");
        does(others[i], "SELECT stoa_touch()");
    }
    assert_status(ASK(&scene->asking, STORE_PROBE, ), STORE_OK);
    for (int i = 0; i < 20; i++) PQfinish(others[i]);
}

/* A probe must write: without a write there is nothing to flush, and it would prove nothing. */
static void a_probe_flushes_the_log_and_is_refused_like_a_write(void **state) {
    struct scene *scene = *state;
    settings_of(scene, false, false);
    PGconn *prober = somebody(scene->servers.write[0]);
    does(prober, "CREATE TEMP TABLE before AS SELECT pg_current_wal_insert_lsn() AS at");
    does(prober, "SELECT stoa_touch()");
    PGresult *result = PQexec(prober, "SELECT (pg_current_wal_flush_lsn() > at)::text FROM before");
    assert_string_equal(PQgetvalue(result, 0, 0), "true");
    PQclear(result);
    does(prober, "SET default_transaction_read_only = on");
    result = PQexec(prober, "SELECT stoa_touch()");
    assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "25006");
    PQclear(result);
    PQfinish(prober);
}

/* Stands in for unforeseen errors: the database refuses a content that is a SQLSTATE with that SQLSTATE. */
static void a_message_that_the_database_refuses_fails_alone(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    static const char *const classes[] = {"22000", "23514", "54000", "54001"};
    struct store_postgres_settings settings = settings_of(scene, false, false);
    struct answer *answers[60];
    char hall[16];
    scene->asking.store = open_with(scene, &settings);
    snprintf(hall, sizeof hall, "%s", channel_on(0, 0));
    put_channel(asking, hall);
    servers_sql(
        scene->servers.write[0],
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.content LIKE '\"%' THEN "
        "RETURN NEW; END IF; RAISE EXCEPTION 'refused' USING ERRCODE = NEW.content; END $$; CREATE TRIGGER refuse "
        "BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse()");
    for (int i = 0; i < 60; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        answers[i] =
            SUBMIT(asking, STORE_APPEND, SAYING(hall, "alice", id, id, i % 15 == 7 ? classes[i / 15] : "\"said\""));
    }
    asking_wait(asking);
    servers_sql(scene->servers.write[0], "DROP FUNCTION refuse CASCADE");
    int64_t seq = 0;
    for (int i = 0; i < 60; i++) {
        assert_status(answers[i], i % 15 == 7 ? STORE_BAD : STORE_OK);
        if (i % 15 != 7) assert_int_equal(answers[i]->seq, ++seq);
    }
}

static void a_locked_user_does_not_delay_other_users_of_a_list(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    scene->asking.store = open_with(scene, &settings);
    ASK(asking, STORE_USER_PUT, .user_id = S("bob"), .user.name = S("Bob"));
    ASK(asking, STORE_USER_PUT, .user_id = S("carol"), .user.name = S("Carol"));
    PGconn *holder = somebody(scene->servers.global);
    does(holder, "BEGIN");
    does(holder, "SELECT FROM users WHERE user_id = 'bob' FOR UPDATE");
    assert_status(asking_list(asking, STORE_USERS_SEEN, S("[\"bob\",\"carol\",\"dora\",\"dora\"]")), STORE_OK);
    assert_string_equal(servers_sql(scene->servers.global,
                                    "SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM users "
                                    "WHERE last_seen_ms > 0"),
                        "carol dora");
    PQfinish(holder);
}

/* Makes that many channels of one shard with bob as a member, and that many messages in the first one. */
static void fill(struct scene *scene, int channels, int messages) {
    char sql[500];
    snprintf(
        sql, sizeof sql,
        "INSERT INTO channels SELECT 'hall-' || i, 'Hall', 'public', 0, 0 FROM generate_series(1, %d) i; INSERT INTO "
        "channel_members (channel_id, user_id, role, joined_ms) SELECT channel_id, 'bob', 'member', 0 FROM channels",
        channels);
    servers_sql(scene->servers.global, sql);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO channel_heads SELECT 'hall-' || i, CASE i WHEN 1 THEN %d ELSE 0 END FROM generate_series(1, %d) "
        "i; INSERT INTO messages SELECT 'hall-1', i, 'm' || i, 'alice', '1', NULL, i FROM generate_series(1, %d) i",
        messages, channels, messages);
    servers_sql(scene->servers.write[0], sql);
}

static void assert_unread(struct scene *scene, unsigned read_seq, unsigned unread) {
    char expected[60];
    snprintf(expected, sizeof expected, "\"readSeq\":%u,\"unread\":%u}", read_seq, unread);
    assert_has(ASK(&scene->asking, STORE_USER_CHANNELS, .user_id = S("bob")), expected);
}

static void unread_messages_are_counted_up_to_a_bound(void **state) {
    struct scene *scene = *state;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    settings.shards_len = 1;
    scene->asking.store = open_with(scene, &settings);
    fill(scene, 1, STORE_UNREAD_MAX + 500);
    assert_unread(scene, 0, STORE_UNREAD_MAX);
    servers_sql(scene->servers.write[0],
                "DELETE FROM messages WHERE message_seq > 999; UPDATE messages SET deleted_ms = "
                "1 WHERE message_seq <= 9");
    assert_unread(scene, 9, STORE_UNREAD_MAX - 9);
}

static void a_longer_list_counts_less_of_each_channel(void **state) {
    struct scene *scene = *state;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    settings.shards_len = 1;
    scene->asking.store = open_with(scene, &settings);
    fill(scene, 400, STORE_UNREAD_MAX);
    assert_unread(scene, 0, STORE_UNREAD_LOOKS / 400);
}

static void a_new_member_starts_read_and_a_new_role_keeps_the_mark(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    char hall[16];
    scene->asking.store = open_with(scene, &settings);
    snprintf(hall, sizeof hall, "%s", channel_on(1, 0));
    put_channel(asking, hall);
    ASK(asking, STORE_MEMBER_PUT, .channel_id = S(hall), .user_id = S("carol"), .member.role = S("member"));
    for (int i = 0; i < 3; i++) say_in(asking, hall, "said", i);
    asking_wait(asking);
    ASK(asking, STORE_MEMBER_PUT, .channel_id = S(hall), .user_id = S("bob"), .member.role = S("member"));
    say_in(asking, hall, "said", 3);
    asking_wait(asking);
    ASK(asking, STORE_MEMBER_PUT, .channel_id = S(hall), .user_id = S("carol"), .member.role = S("moderator"));
    assert_has(ASK(asking, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":3,\"unread\":1}");
    assert_has(ASK(asking, STORE_USER_CHANNELS, .user_id = S("carol")), "\"readSeq\":0,\"unread\":4}");
    assert_status(
        ASK(asking, STORE_MEMBER_PUT, .channel_id = S("nowhere"), .user_id = S("bob"), .member.role = S("member")),
        STORE_NOT_FOUND);
}

static void a_list_of_channels_does_not_wait_for_a_shard_that_stalls(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    const char *there[2];
    settings.query_timeout_ms = 2 * ANSWER_DEADLINE_MS;
    scene->asking.store = open_with(scene, &settings);
    for (int shard = 0; shard < 2; shard++) {
        there[shard] = channel_on(shard, 0);
        put_channel(asking, there[shard]);
        ASK(asking, STORE_MEMBER_PUT, .channel_id = S(there[shard]), .user_id = S("bob"), .member.role = S("member"));
        say_in(asking, there[shard], "said", shard);
    }
    asking_wait(asking);
    PGconn *holder = somebody(scene->servers.write[1]);
    does(holder, "BEGIN");
    does(holder, "LOCK TABLE messages");
    struct answer *list = ASK(asking, STORE_USER_CHANNELS, .user_id = S("bob"));
    assert_true(list->partial);
    assert_has(list, "\"readSeq\":0,\"unread\":1}");
    assert_has(list, "\"readSeq\":0}");
    PQfinish(holder);
    list = ASK(asking, STORE_USER_CHANNELS, .user_id = S("bob"));
    assert_false(list->partial);
}

/* For a cursor that is not from this log, the store searches the last common event. */
static void the_fork_of_a_long_log_is_found_in_few_steps(void **state) {
    struct scene *scene = *state;
    const char *shard = scene->servers.write[0];
    settings_of(scene, false, false);
    servers_sql(shard,
                "SELECT stoa_epoch(0); INSERT INTO channel_heads VALUES ('hall', 50000); INSERT INTO events "
                "SELECT 'hall', i, e.number + (i > 1000)::int, 0, 'alice', i, 0, i, 0 FROM generate_series(1, "
                "50000) i, (SELECT max(number) AS number FROM epochs) e");
    assert_string_equal(servers_sql(shard,
                                    "SELECT fork FROM epochs e, stoa_cursor('hall', 99999, number || '-' || "
                                    "incarnation) ORDER BY number DESC LIMIT 1"),
                        "1000");
    assert_string_equal(
        servers_sql(shard,
                    "SELECT count(*) FROM (SELECT number || '-' || incarnation AS epoch FROM epochs ORDER BY number "
                    "DESC LIMIT 1) e, stoa_cursor('hall', 99999, e.epoch); SELECT "
                    "(pg_stat_get_xact_tuples_fetched('events'::regclass) + "
                    "pg_stat_get_xact_tuples_fetched('events_pkey'::regclass) < 100)::text"),
        "true");
}

/* There are so many expired sessions that deleting all would exceed a query's deadline. */
static void a_session_is_created_however_many_have_expired(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    scene->asking.store = open_with(scene, &settings);
    servers_sql(scene->servers.global,
                "INSERT INTO sessions SELECT sha256(i::text::bytea), 'bob', i FROM "
                "generate_series(1, 1000) i");
    assert_status(ASK(asking, STORE_SESSION_PUT, .session.token = S("t"), .user_id = S("bob"),
                      .session.expires_ms = INT64_MAX / 2),
                  STORE_OK);
    assert_string_equal(servers_sql(scene->servers.global, "SELECT count(*) FROM sessions"), "901");
    PGconn *sweeper = somebody(scene->servers.global);
    does(sweeper, "BEGIN");
    does(sweeper, "SELECT FROM sessions WHERE expires_ms <= 300 FOR UPDATE");
    assert_status(ASK(asking, STORE_SESSION_PUT, .session.token = S("u"), .user_id = S("bob"),
                      .session.expires_ms = INT64_MAX / 2),
                  STORE_OK);
    PQfinish(sweeper);
}

/* Sends to that many channels, one after the other with a turn of the loop between: the number of commits. */
static int64_t commits_of(struct scene *scene, int gather_ms, int sends) {
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    settings.gather_ms = gather_ms;
    scene->asking.store = open_with(scene, &settings);
    for (int i = 0; i < sends; i++) put_channel(asking, channel_on(0, (unsigned)i));
    int64_t before = metric_get(METRIC_APPEND_BATCHES, NULL);
    struct answer *last = NULL;
    for (int i = 0; i < sends; i++) {
        last = say_in(asking, channel_on(0, (unsigned)i), "said", i);
        pass(asking, 2); /* they are sent one after the other */
    }
    await(asking, last);
    asking_wait(asking);
    assert_status(last, STORE_OK);
    return metric_get(METRIC_APPEND_BATCHES, NULL) - before;
}

static void messages_within_a_shards_window_are_one_commit(void **state) {
    assert_int_equal(commits_of(*state, 1000, 5), 1);
    assert_int_equal(metric_get(METRIC_APPEND_WINDOW, "0"), 1000);
}

static void without_a_window_each_message_is_sent_at_once(void **state) {
    assert_in_range(commits_of(*state, 0, 4), 2, 4);
    assert_int_equal(metric_get(METRIC_APPEND_WINDOW, "0"), 0);
}

/* The window is a second, but the batch is full before that. */
static void a_full_batch_does_not_wait(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    struct store_postgres_settings settings = settings_of(scene, false, false);
    settings.gather_ms = ANSWER_DEADLINE_MS;
    scene->asking.store = open_with(scene, &settings);
    put_channel(asking, channel_on(0, 0));
    struct answer *last = NULL;
    for (int i = 0; i < 64; i++) last = say_in(asking, channel_on(0, 0), "said", i);
    await(asking, last);
    assert_status(last, STORE_OK);
    assert_int_equal(last->seq, 64);
}

/* Does the append look for an older event? alice sends with the id. */
static const char *looks_at_messages(const char *shard, const char *id) {
    char sql[600];
    snprintf(sql, sizeof sql,
             "SELECT * FROM stoa_add_messages((SELECT max(number) FROM epochs), false, ARRAY['hall'], ARRAY['alice'], "
             "ARRAY['%s'], ARRAY[1::bigint], ARRAY['%s'], ARRAY['1'], ARRAY[NULL::text], ARRAY[NULL::text], "
             "ARRAY[0::bigint]); SELECT (pg_stat_get_xact_numscans('messages_pkey'::regclass) > 0)::text",
             id, id);
    return servers_sql(shard, sql);
}

static void an_append_looks_for_the_events_of_duplicates_only(void **state) {
    struct scene *scene = *state;
    const char *shard = scene->servers.write[0];
    settings_of(scene, false, false);
    servers_sql(shard, "SELECT stoa_epoch(0); INSERT INTO channel_heads VALUES ('hall', 0)");
    assert_string_equal(looks_at_messages(shard, "a"), "false");
    assert_string_equal(looks_at_messages(shard, "b"), "false");
    assert_string_equal(looks_at_messages(shard, "a"), "true");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(locked_heads_stop_no_other_channel),
        TEST(a_probe_does_not_wait_for_other_workers_probes),
        TEST(a_probe_flushes_the_log_and_is_refused_like_a_write),
        TEST(a_message_that_the_database_refuses_fails_alone),
        TEST(a_locked_user_does_not_delay_other_users_of_a_list),
        TEST(unread_messages_are_counted_up_to_a_bound),
        TEST(a_longer_list_counts_less_of_each_channel),
        TEST(a_new_member_starts_read_and_a_new_role_keeps_the_mark),
        TEST(a_list_of_channels_does_not_wait_for_a_shard_that_stalls),
        TEST(the_fork_of_a_long_log_is_found_in_few_steps),
        TEST(a_session_is_created_however_many_have_expired),
        TEST(messages_within_a_shards_window_are_one_commit),
        TEST(without_a_window_each_message_is_sent_at_once),
        TEST(a_full_batch_does_not_wait),
        TEST(an_append_looks_for_the_events_of_duplicates_only),
    };
    log_set_level(LOG_WARNING);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
