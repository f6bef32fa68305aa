/* The PostgreSQL store when something is in one caller's way: the others do not notice. */
#include <libpq-fe.h>

#include "store_scene.h"

/* A connection of somebody who is no server of ours. */
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

/* Its transaction holds the channel's head until it ends. */
static void holds(PGconn *connection, const char *channel) {
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT FROM channel_heads WHERE channel_id = '%s' FOR UPDATE", channel);
    does(connection, sql);
}

/* What each of eight workers has of the default pools. */
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

static void heads_that_somebody_holds_stop_no_other_channel(void **state) {
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
    for (int i = 0; i < HELD; i++) stuck[i] = send(asking, ids[i], "stuck", i);
    struct answer *freed = send(asking, ids[FREED], "freed", 0);
    int said = 0;
    while (!stuck[0]->came) { /* at its deadline */
        struct answer *free = send(asking, ids[HALL], "free", said++);
        await(asking, free);
        assert_status(free, STORE_OK);
        if (said == 20) does(brief, "ROLLBACK");
    }
    assert_in_range(said, 200, 100000);
    assert_status(freed, STORE_OK);
    for (int i = 0; i < HELD; i++) {
        await(asking, stuck[i]);
        assert_status(stuck[i], STORE_UNAVAILABLE);
    }
    does(holder, "ROLLBACK");
    for (int i = 0; i < HELD; i++) {
        struct answer *again = send(asking, ids[i], "stuck", i);
        await(asking, again);
        assert_status(again, STORE_OK);
        assert_int_equal(again->seq, 1);
    }
    asking_wait(asking);
    assert_whole(scene);
    PQfinish(holder);
    PQfinish(brief);
}

/* Were they to wait for each other, each commit would come after the last one: seconds for a fleet. */
static void a_probe_waits_for_no_other_workers_probe(void **state) {
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

/* Where nothing is written there is nothing to flush, and nothing would be proven. */
static void a_probe_flushes_the_log_and_is_refused_where_a_write_is(void **state) {
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

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(heads_that_somebody_holds_stop_no_other_channel),
        TEST(a_probe_waits_for_no_other_workers_probe),
        TEST(a_probe_flushes_the_log_and_is_refused_where_a_write_is),
    };
    log_set_level(LOG_WARNING);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
