/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL store when another log replaces the one that it knows: a backup, a copy, an old primary. */
#include "store_scene.h"

/* ---- workers */

static void close_first(struct scene *scene) {
    store_close(&scene->asking.store, 1000);
}

/* A worker that has just started. There is no Redis: it learns from the other databases. */
static void begin_anew(struct scene *scene) {
    if (scene->asking.store) close_first(scene);
    scene->asking.store = open_with(scene, &scene->servers.settings);
}

static struct answer *say(struct scene *scene, const char *name, int n) {
    struct answer *said = say_in(&scene->asking, "hall", name, n);
    await(&scene->asking, said);
    return said;
}

static struct answer *say_some(struct scene *scene, const char *name, int len) {
    struct answer *said = NULL;
    for (int i = 0; i < len; i++) {
        said = say(scene, name, i);
        assert_status(said, STORE_OK);
    }
    return said;
}

/* Like a worker, once a second. */
static struct answer *probe(struct scene *scene) {
    return ASK(&scene->asking, STORE_PROBE, );
}

static void probe_until(struct scene *scene, const char *conninfo, const char *sql, const char *wanted) {
    for (unsigned ms = 0; strcmp(servers_sql(conninfo, sql), wanted) != 0; ms += 50) {
        if (ms > PATIENCE_MS) fail_msg("%s: not %s within %d ms", sql, wanted, PATIENCE_MS);
        probe(scene);
        pass(&scene->asking, 50); /* between two tries */
    }
}

static void probe_until_status(struct scene *scene, enum store_status status) {
    for (unsigned ms = 0; probe(scene)->status != status; ms += 50) {
        if (ms > PATIENCE_MS) fail_msg("%s: not within %d ms", store_status_code(status), PATIENCE_MS);
        pass(&scene->asking, 50); /* between two tries */
    }
}

static void say_until_taken(struct scene *scene, const char *name, struct answer **said_r) {
    for (int i = 0; i < 20; i++) {
        *said_r = say(scene, name, 0);
        if ((*said_r)->status == STORE_OK) return;
    }
    fail_msg("never taken");
}

/* Number 5 of that epoch was lost: its reader is told, and the next append is in another epoch. */
static void is_another_epoch(struct scene *scene, const struct answer *lost) {
    struct answer *next;
    say_until_taken(scene, "after", &next);
    assert_int_equal(next->seq, 4);
    assert_string_not_equal(next->epoch, lost->epoch);
    struct answer *reset = ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = lost->seq,
                               .events.epoch = S(lost->epoch));
    assert_int_equal(reset->fork, 3);
    assert_has(reset, "after-0");
    struct answer *common =
        ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 2, .events.epoch = S(lost->epoch));
    assert_int_equal(common->fork, -1);
}

/* ---- copies */

static void a_restored_dump_begins_another_epoch(void **state) {
    struct scene *scene = *state;
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    say_some(scene, "kept", 3);
    servers_act("dump", "shard0");
    struct answer *lost = say_some(scene, "lost", 2);
    servers_act("load", "shard0");
    /* A dump reads sequences outside of its snapshot, so they may be ahead of its tables. */
    servers_sql(scene->servers.write[0], "SELECT setval('log_position', 1000)");
    is_another_epoch(scene, lost);
}

static void restored_files_begin_another_epoch(void **state) {
    struct scene *scene = *state;
    struct answer *again;
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    say_some(scene, "kept", 3);
    servers_act("copy", "shard0");
    say_until_taken(scene, "lost", &again);
    struct answer *lost = say(scene, "lost", 1);
    servers_act("copy-back", "shard0");
    is_another_epoch(scene, lost);
}

/* PostgreSQL logs sequences ahead, so after recovery they may be ahead of the tables. */
static void files_copied_from_a_running_server_begin_another_epoch(void **state) {
    struct scene *scene = *state;
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    say_some(scene, "kept", 3);
    servers_act("snapshot", "shard0");
    struct answer *lost = say_some(scene, "lost", 2);
    servers_act("copy-back", "shard0");
    is_another_epoch(scene, lost);
}

static void a_new_worker_knows_how_far_a_log_had_got(void **state) {
    struct scene *scene = *state;
    struct answer *again;
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    say_some(scene, "kept", 3);
    servers_act("copy", "shard0");
    say_until_taken(scene, "lost", &again);
    struct answer *lost = say(scene, "lost", 1);
    char sql[120], reached[32];
    snprintf(reached, sizeof reached, "%s",
             servers_sql(scene->servers.write[0], "SELECT last_value FROM log_position"));
    snprintf(sql, sizeof sql, "SELECT (reached >= %s)::text FROM floors WHERE name = '0'", reached);
    probe_until(scene, scene->servers.global, sql, "true");
    close_first(scene);
    servers_act("copy-back", "shard0");
    begin_anew(scene);
    is_another_epoch(scene, lost);
}

static void a_restart_begins_no_epoch(void **state) {
    struct scene *scene = *state;
    struct answer *after;
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    struct answer *before = say_some(scene, "before", 3);
    servers_act("kill", "shard0");
    servers_act("start", "shard0");
    say_until_taken(scene, "after", &after);
    assert_string_equal(after->epoch, before->epoch);
    begin_anew(scene);
    assert_string_equal(say(scene, "later", 0)->epoch, before->epoch);
}

/* The position is noted at most once a second. If a clock was an hour ahead, that second must not last an hour. */
static void a_logs_position_is_noted_after_the_clock_goes_back(void **state) {
    struct scene *scene = *state;
    settings_of(scene, false, false);
    servers_sql(scene->servers.global,
                "INSERT INTO floors VALUES ('0', 1, 'a', 10, clock_timestamp() + interval '1 hour'), ('1', 1, 'a', 10, "
                "clock_timestamp())");
    assert_string_equal(servers_sql(scene->servers.global,
                                    "SELECT string_agg(reached::text, ' ' ORDER BY name) FROM "
                                    "stoa_floors(NULL, '{0,1}', '{1,1}', '{a,a}', '{20,20}')"),
                        "20 10");
}

/* A wrong conninfo may lead to another fleet's database. Each fleet's epochs would then fence the other one. */
static void another_fleets_position_is_neither_believed_nor_changed(void **state) {
    struct scene *scene = *state;
    const char *global = scene->servers.global, *fleet = "INSERT INTO stamp VALUES ('%s', '%s', 0)";
    char sql[120];
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    close_first(scene);
    snprintf(sql, sizeof sql, fleet, "ours", "shard");
    servers_sql(scene->servers.write[0], sql);
    snprintf(sql, sizeof sql, fleet, "ours", "global");
    servers_sql(global, sql);
    begin_anew(scene);
    say_some(scene, "before", 1);
    servers_sql(global,
                "UPDATE stamp SET fleet = 'theirs'; DELETE FROM floors; INSERT INTO floors VALUES ('0', 9, 'a', 1, "
                "clock_timestamp() - interval '1 minute')");
    for (int i = 0; i < 3; i++) probe(scene);
    pass(&scene->asking, 50); /* until their work is done */
    assert_status(say(scene, "after", 0), STORE_OK);
    servers_sql(global, "UPDATE floors SET number = 0");
    for (int i = 0; i < 3; i++) probe(scene);
    pass(&scene->asking, 50); /* until their work is done */
    assert_string_equal(servers_sql(global, "SELECT number FROM floors"), "0");
}

/* During an upgrade, a fleet's servers have two versions. */
static void appends_of_an_older_server_move_the_log_on(void **state) {
    struct scene *scene = *state;
    char before[32], sql[120];
    settings_of(scene, false, false);
    const char *shard = scene->servers.write[0];
    servers_sql(shard, "INSERT INTO channel_heads VALUES ('hall', 0)");
    snprintf(before, sizeof before, "%s", servers_sql(shard, "SELECT last_value FROM log_position"));
    assert_string_equal(
        servers_sql(shard,
                    "SELECT a.status FROM stoa_epoch(0) e, stoa_append_messages(e.number, false, '{hall}', "
                    "'{alice}', '{c}', '{1}', '{m}', '{1}', '{NULL}', '{NULL}', '{1}') a"),
        "ok");
    snprintf(sql, sizeof sql, "SELECT (last_value > %s)::text FROM log_position", before);
    assert_string_equal(servers_sql(shard, sql), "true");
}

/* All databases were restored at once, which nobody can detect: the operator declares it. */
static void an_epoch_begun_by_hand_is_above_all_known_ones(void **state) {
    struct scene *scene = *state;
    struct answer *after;
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    struct answer *before = say_some(scene, "before", 3);
    servers_sql(scene->servers.write[0], "SELECT stoa_begin_epoch(7)");
    say_until_taken(scene, "after", &after);
    assert_int_equal(after->seq, 4);
    assert_string_not_equal(after->epoch, before->epoch);
    assert_true(strncmp(after->epoch, "8-", 2) == 0);
}

static void note_people(void *owner, const char *epoch) {
    snprintf(owner, STORE_EPOCH_MAX, "%s", epoch);
}

static void caches_of_members_hear_of_another_epoch(void **state) {
    struct scene *scene = *state;
    char epoch[STORE_EPOCH_MAX] = "", before[STORE_EPOCH_MAX];
    begin_anew(scene);
    store_watch_people(scene->asking.store, &(struct store_people_watch){note_people, epoch});
    memcpy(before, epoch, sizeof before);
    assert_string_equal(servers_sql(scene->servers.global, "SELECT max(number || '-' || incarnation) FROM epochs"),
                        epoch);
    put_channel(&scene->asking, "hall");
    servers_act("dump", "global");
    servers_act("load", "global");
    for (int i = 0; i < 100 && strcmp(epoch, before) == 0; i++) {
        probe(scene);
        pass(&scene->asking, 50); /* between two tries */
    }
    assert_string_not_equal(epoch, before);
}

static void restored_members_begin_another_epoch(void **state) {
    struct scene *scene = *state;
    const char *epoch = "SELECT max(number) FROM epochs";
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    servers_act("copy", "global");
    probe_until_status(scene, STORE_OK);
    for (int i = 0; i < 20; i++)
        if (ASK(&scene->asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"),
                .member.role = S("member"))
                ->status == STORE_OK)
            break;
    char sql[120], before[32];
    snprintf(before, sizeof before, "%s", servers_sql(scene->servers.global, "SELECT last_value FROM log_position"));
    snprintf(sql, sizeof sql, "SELECT (reached >= %s)::text FROM floors WHERE name = 'global'", before);
    probe_until(scene, scene->servers.write[0], sql, "true");
    close_first(scene);
    servers_act("copy-back", "global");
    snprintf(before, sizeof before, "%s", servers_sql(scene->servers.global, epoch));
    begin_anew(scene);
    snprintf(sql, sizeof sql, "SELECT (max(number) > %s)::text FROM epochs", before);
    assert_string_equal(servers_sql(scene->servers.global, sql), "true");
    assert_status(ASK(&scene->asking, STORE_MEMBER, .channel_id = S("hall"), .user_id = S("bob")), STORE_NOT_FOUND);
}

/* ---- acknowledged messages are as durable as promised, at any time */

static char logged[1 << 16];
static size_t logged_len;

static void take_line(void *owner, struct slice line) {
    if (logged_len + line.len >= sizeof logged) return;
    memcpy(logged + logged_len, line.ptr, line.len);
    logged_len += line.len;
    logged[logged_len] = '\0';
}

/* Changes a setting of a running server. */
static void set_at(const char *conninfo, const char *name, const char *value) {
    char sql[160];
    if (value)
        snprintf(sql, sizeof sql, "ALTER SYSTEM SET %s = '%s'", name, value);
    else
        snprintf(sql, sizeof sql, "ALTER SYSTEM RESET %s", name);
    servers_sql(conninfo, sql);
    servers_sql(conninfo, "SELECT pg_reload_conf()");
}

/* Changes a setting of shard0's server. */
static void set(struct scene *scene, const char *name, const char *value) {
    set_at(scene->servers.write[0], name, value);
}

static unsigned lines_with(const char *text) {
    unsigned count = 0;
    for (const char *at = logged; (at = strstr(at, text)); at++) count++;
    return count;
}

/* With that setting, nothing is acknowledged, the worker is not ready, and one log line names the setting. */
static void is_refused_meanwhile(struct scene *scene, const char *name, const char *value, const char *words) {
    static int n;
    logged_len = 0;
    logged[0] = '\0';
    put_channel(&scene->asking, "hall");
    struct answer *before = say_in(&scene->asking, "hall", "before", ++n);
    await(&scene->asking, before);
    assert_status(before, STORE_OK);
    set(scene, name, value);
    char shown[120];
    snprintf(shown, sizeof shown, "SELECT current_setting('%s')", name);
    await_sql(&scene->asking, scene->servers.write[0], shown, value);
    struct answer *said = say_in(&scene->asking, "hall", "meanwhile", n);
    await(&scene->asking, said);
    assert_status(said, STORE_UNAVAILABLE);
    for (int i = 0; i < 3; i++) assert_status(probe(scene), STORE_UNAVAILABLE);
    assert_int_equal(lines_with(words), 1);
    assert_int_equal(lines_with("store.shard_refused"), 1);
    set(scene, name, NULL);
    probe_until_status(scene, STORE_OK);
    struct answer *again = say_in(&scene->asking, "hall", "meanwhile", n);
    await(&scene->asking, again);
    assert_status(again, STORE_OK);
    assert_false(again->duplicate);
}

static void a_less_durable_server_acknowledges_nothing(void **state) {
    struct scene *scene = *state;
    begin_anew(scene);
    log_set_sink(take_line, NULL);
    is_refused_meanwhile(scene, "synchronous_commit", "off", "synchronous_commit is off");
    is_refused_meanwhile(scene, "fsync", "off", "fsync is off");
    is_refused_meanwhile(scene, "full_page_writes", "off", "full_page_writes is off");
    log_set_sink(NULL, NULL);
}

static void a_missing_quorum_acknowledges_nothing(void **state) {
    struct scene *scene = *state;
    set(scene, "synchronous_standby_names", "ANY 1 (r1, r2)");
    await_sql(&scene->asking, scene->servers.write[0],
              "SELECT (count(*) > 0)::text FROM pg_stat_replication WHERE sync_state = 'quorum'", "true");
    scene->servers.settings.durability = STORE_QUORUM;
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    struct answer *before = say(scene, "before", 0);
    assert_status(before, STORE_OK);
    set(scene, "synchronous_standby_names", NULL);
    await_sql(&scene->asking, scene->servers.write[0], "SELECT current_setting('synchronous_standby_names')", "");
    assert_status(say(scene, "meanwhile", 0), STORE_UNAVAILABLE);
    assert_status(probe(scene), STORE_UNAVAILABLE);
    set(scene, "synchronous_standby_names", "ANY 1 (r1, r2)");
    probe_until_status(scene, STORE_OK);
    assert_int_equal(say(scene, "after", 0)->seq, 2);
    set(scene, "synchronous_standby_names", NULL);
}

/* PostgreSQL releases waiting commits when no standby is configured any more. */
static void a_commit_whose_quorum_goes_is_not_acknowledged(void **state) {
    struct scene *scene = *state;
    set(scene, "synchronous_standby_names", "ANY 1 (r1, r2)");
    await_sql(&scene->asking, scene->servers.write[0],
              "SELECT (count(*) > 1)::text FROM pg_stat_replication WHERE sync_state = 'quorum'", "true");
    scene->servers.settings.durability = STORE_QUORUM;
    begin_anew(scene);
    put_channel(&scene->asking, "hall");
    assert_status(say(scene, "before", 0), STORE_OK);
    servers_act("receiver-stop", "r1");
    servers_act("receiver-stop", "r2");
    struct answer *said = say_in(&scene->asking, "hall", "meanwhile", 0);
    await_sql(
        &scene->asking, scene->servers.write[0],
        "SELECT (count(*) > 0)::text FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%stoa_add%' "
        "AND clock_timestamp() - query_start > '300 ms'",
        "true");
    set(scene, "synchronous_standby_names", NULL);
    await(&scene->asking, said);
    assert_status(said, STORE_UNAVAILABLE);
    servers_act("receiver-go", "r1");
    servers_act("receiver-go", "r2");
    set(scene, "synchronous_standby_names", "ANY 1 (r1, r2)");
    probe_until_status(scene, STORE_OK);
    struct answer *again = say(scene, "meanwhile", 0);
    assert_status(again, STORE_OK);
    assert_true(again->duplicate);
    set(scene, "synchronous_standby_names", NULL);
}

static void bob_becomes_a_member_once(struct scene *scene, enum store_status wanted) {
    enum store_status status;
    unsigned ms = 0;
    do {
        if (ms > PATIENCE_MS) fail_msg("%s: not within %d ms", store_status_code(wanted), PATIENCE_MS);
        probe(scene);
        pass(&scene->asking, 50); /* between two tries */
        ms += 50;
        status = ASK(&scene->asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"),
                     .member.role = S("member"))
                     ->status;
    } while (status != wanted);
}

static void no_member_changes_while_the_global_database_is_less_durable(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    begin_anew(scene);
    put_channel(asking, "hall");
    logged_len = 0;
    logged[0] = '\0';
    log_set_sink(take_line, NULL);
    set_at(scene->servers.global, "fsync", "off");
    bob_becomes_a_member_once(scene, STORE_UNAVAILABLE);
    assert_status(ASK(asking, STORE_MEMBER_DELETE, .channel_id = S("hall"), .user_id = S("bob")), STORE_UNAVAILABLE);
    assert_status(asking_list(asking, STORE_USERS, S("[\"bob\"]")), STORE_OK);
    assert_status(say(scene, "said", 0), STORE_OK);
    set_at(scene->servers.global, "fsync", NULL);
    bob_becomes_a_member_once(scene, STORE_OK);
    log_set_sink(NULL, NULL);
    assert_int_equal(lines_with("store.global_refused"), 1);
}

static void a_less_durable_server_is_refused_at_the_start(void **state) {
    struct scene *scene = *state;
    const char *settings[] = {"fsync", "full_page_writes"};
    for (int i = 0; i < 2; i++) {
        struct error error = {""};
        char shown[120], words[64];
        set(scene, settings[i], "off");
        snprintf(shown, sizeof shown, "SELECT current_setting('%s')", settings[i]);
        await_sql(&scene->asking, scene->servers.write[0], shown, "off");
        assert_null(store_postgres_new(scene->asking.loop, &scene->servers.settings, &error));
        snprintf(words, sizeof words, "%s is off: change it, or postgres.durability", settings[i]);
        if (!strstr(error.text, words)) fail_msg("%s: not in: %s", words, error.text);
        scene->servers.settings.durability = STORE_RELAXED;
        begin_anew(scene);
        scene->servers.settings.durability = STORE_PRIMARY;
        close_first(scene);
        set(scene, settings[i], NULL);
    }
}

/* ---- an old primary */

/* One worker is connected to the new primary and writes nothing, another one to the old primary. */
static void an_old_primary_is_not_written_to_before_the_new_one_is(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    char old[160], new[160];
    settings_of(scene, false, false);
    snprintf(old, sizeof old, "%s", scene->servers.write[0]);
    snprintf(new, sizeof new, "%s", servers_standby(1));
    begin_anew(scene);
    put_channel(asking, "hall");
    say_some(scene, "before", 3);
    await_sql(asking, new, "SELECT last_seq FROM channel_heads", "3");
    struct store *misled = asking->store;
    servers_act("promote", "r1"); /* the old one is alive, and some workers reach it */
    snprintf(scene->servers.write[0], sizeof scene->servers.write[0], "%s", new);
    struct store *led = open_with(scene, &scene->servers.settings);
    asking->store = led;
    assert_status(probe(scene), STORE_OK);
    probe_until(scene, scene->servers.global, "SELECT number FROM floors WHERE name = '0'", "2");
    asking->store = misled;
    probe_until_status(scene, STORE_UNAVAILABLE);
    assert_status(say(scene, "in-vain", 0), STORE_UNAVAILABLE);
    assert_status(ASK(asking, STORE_EVENTS, .channel_id = S("hall")), STORE_UNAVAILABLE);
    assert_string_equal(servers_sql(old, "SELECT count(*) FROM events"), "3");
    asking->store = led;
    struct answer *next = say(scene, "after", 0);
    assert_status(next, STORE_OK);
    assert_int_equal(next->seq, 4);
    store_close(&misled, 1000);
}

/* Nobody writes, and nobody has connected to the new primary before. */
static void the_first_connection_to_a_new_primary_begins_its_epoch(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    char new[160], both[200];
    settings_of(scene, false, false);
    snprintf(new, sizeof new, "%s", servers_standby(2));
    snprintf(both, sizeof both, "host=127.0.0.1,127.0.0.1 port=%.*s,%s",
             (int)strcspn(strstr(scene->servers.write[0], "port=") + 5, " "),
             strstr(scene->servers.write[0], "port=") + 5, strstr(new, "port=") + 5);
    scene->servers.shards[0].write = both;
    begin_anew(scene);
    put_channel(asking, "hall");
    await_sql(asking, new, "SELECT count(*) FROM channel_heads", "1");
    servers_act("kill", "shard0");
    servers_act("promote", "r2");
    await_sql(asking, new, "SELECT max(number) FROM epochs", "2");
}

/* The new primary has the expulsion of bob, the old one does not. */
static void an_old_global_primary_is_not_believed(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    char old[160], new[160];
    settings_of(scene, false, false);
    snprintf(old, sizeof old, "%s", scene->servers.global);
    snprintf(new, sizeof new, "host=127.0.0.1 port=%s dbname=global user=postgres", getenv("STOA_PG_GLOBAL_REPLICAS"));
    snprintf(scene->servers.global, sizeof scene->servers.global, "host=127.0.0.1,127.0.0.1 port=%s,%s dbname=global",
             getenv("STOA_PG_GLOBAL"), getenv("STOA_PG_GLOBAL_REPLICAS"));
    strcat(scene->servers.global, " user=postgres");
    begin_anew(scene);
    put_channel(asking, "hall");
    assert_status(
        ASK(asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member")),
        STORE_OK);
    await_sql(asking, new, "SELECT count(*) FROM channel_members", "1");
    servers_act("kill", "global");
    servers_act("promote", "g1");
    enum store_status status = STORE_UNAVAILABLE;
    for (int i = 0; i < 50 && status == STORE_UNAVAILABLE; i++) {
        status = ASK(asking, STORE_MEMBER_DELETE, .channel_id = S("hall"), .user_id = S("bob"))->status;
        pass(asking, 50); /* between two tries */
    }
    assert_string_equal(servers_sql(new, "SELECT count(*) FROM channel_members"), "0");
    probe_until(scene, scene->servers.write[0], "SELECT number FROM floors WHERE name = 'global'", "2");
    servers_act("start", "global");
    snprintf(scene->servers.global, sizeof scene->servers.global, "%s", old);
    struct store *led = asking->store;
    asking->store = open_with(scene, &scene->servers.settings);
    assert_status(ASK(asking, STORE_MEMBER, .channel_id = S("hall"), .user_id = S("bob")), STORE_UNAVAILABLE);
    assert_status(
        ASK(asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("eve"), .member.role = S("owner")),
        STORE_UNAVAILABLE);
    assert_status(probe(scene), STORE_UNAVAILABLE);
    assert_string_equal(servers_sql(old, "SELECT string_agg(user_id, ' ') FROM channel_members"), "bob");
    store_close(&asking->store, 1000);
    asking->store = led;
    assert_status(ASK(asking, STORE_MEMBER, .channel_id = S("hall"), .user_id = S("bob")), STORE_NOT_FOUND);
}

static const struct CMUnitTest copies[] = {
    TEST(a_restart_begins_no_epoch),
    TEST(a_restored_dump_begins_another_epoch),
    TEST(restored_files_begin_another_epoch),
    TEST(files_copied_from_a_running_server_begin_another_epoch),
    TEST(a_new_worker_knows_how_far_a_log_had_got),
    TEST(restored_members_begin_another_epoch),
    TEST(caches_of_members_hear_of_another_epoch),
    TEST(a_logs_position_is_noted_after_the_clock_goes_back),
    TEST(another_fleets_position_is_neither_believed_nor_changed),
    TEST(appends_of_an_older_server_move_the_log_on),
    TEST(an_epoch_begun_by_hand_is_above_all_known_ones),
    TEST(a_less_durable_server_acknowledges_nothing),
    TEST(no_member_changes_while_the_global_database_is_less_durable),
    TEST(a_less_durable_server_is_refused_at_the_start),
};
static const struct CMUnitTest returns[] = {
    TEST(a_missing_quorum_acknowledges_nothing),
    TEST(a_commit_whose_quorum_goes_is_not_acknowledged),
    TEST(an_old_primary_is_not_written_to_before_the_new_one_is),
    TEST(an_old_global_primary_is_not_believed),
    TEST(the_first_connection_to_a_new_primary_begins_its_epoch), /* last: shard0 stays down */
};

int main(int argc, char **argv) {
    const char *group = argc > 1 ? argv[1] : "";
    log_set_level(LOG_WARNING);
    if (strcmp(group, "copies") == 0) return cmocka_run_group_tests(copies, NULL, NULL);
    if (strcmp(group, "returns") == 0) return cmocka_run_group_tests(returns, NULL, NULL);
    fprintf(stderr, "usage: %s copies|returns\n", argv[0]);
    return 64;
}
