/* SPDX-License-Identifier: Apache-2.0 */
/* Queries, connections and pools against a real server. */
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/resolver.h"
#include "postgres/pool.h"
#include "postgres/query.h"
#include "postgres/target.h"
#include "support/postgres_servers.h"
#include "support/store_asking.h"

enum { PATIENCE_MS = 20000 };

struct scene {
    struct loop *loop;
    struct resolver *resolver;
    struct pool_budget budget;
    struct pool *pool;
    struct servers servers;
    unsigned waiting;
    const char *proof; /* the query that proves each connection; NULL: none */
    unsigned disproven, query_timeout_ms;
};

/* The result of a query. */
struct outcome {
    struct scene *scene;
    enum query_outcome outcome;
    char sqlstate[8], text[64];
    bool came;
    uint64_t at_ms;
};

static void proof_came(struct query *query) {}

static struct query *ask_proof(void *owner) {
    struct query *query = query_new(proof_came, owner);
    query_add(query, ((struct scene *)owner)->proof);
    return query;
}

static void proof_failed(void *owner, const struct query *query) {
    ((struct scene *)owner)->disproven++;
}

static void open_pool(struct scene *scene, const char *conninfo, unsigned max, unsigned depth) {
    struct error error = {""};
    struct target *target = target_new(conninfo, true, &error);
    if (!target) fail_msg("%s", error.text);
    struct pool_settings settings = {
        .limits = {.max = max, .depth = depth, .reserve_after_ms = 1000, .idle_ms = 60000, .lifetime_ms = 3600000},
        .proof = {scene->proof ? ask_proof : NULL, proof_failed, scene},
        .connect_timeout_ms = 1000,
        .query_timeout_ms = scene->query_timeout_ms ? scene->query_timeout_ms : 5000,
        .wait_ms = 2000,
        .queue_max = 100};
    scene->pool = pool_new(scene->loop, scene->resolver, &target, &settings, &scene->budget);
}

static int set_up(void **state) {
    struct scene *scene = NEW(struct scene);
    assert_true(servers_find(&scene->servers, false, false));
    scene->loop = loop_new();
    scene->resolver = resolver_new(scene->loop);
    scene->budget.max = 20;
    *state = scene;
    return 0;
}

static int tear_down(void **state) {
    struct scene *scene = *state;
    if (scene->pool) pool_close(scene->pool);
    while (loop_turn(scene->loop)) continue;
    pool_free(&scene->pool);
    resolver_free(&scene->resolver);
    loop_free(&scene->loop);
    free(scene);
    return 0;
}

static void came(struct query *query) {
    struct outcome *outcome = query->owner;
    outcome->outcome = query->outcome;
    outcome->came = true;
    outcome->at_ms = loop_now_ms(outcome->scene->loop);
    snprintf(outcome->sqlstate, sizeof outcome->sqlstate, "%s", query->sqlstate);
    unsigned last = query->statements_len - 1;
    if (query->outcome == QUERY_OK && query_rows(query, last) > 0)
        snprintf(outcome->text, sizeof outcome->text, "%.*s", SLICE_ARG(query_text(query, last, 0, 0)));
    if (--outcome->scene->waiting == 0) loop_stop(outcome->scene->loop);
}

static struct query *asking_for(struct scene *scene, struct outcome *outcome, const char *sql) {
    struct query *query = query_new(came, outcome);
    *outcome = (struct outcome){.scene = scene};
    query_add(query, sql);
    return query;
}

static void submit(struct scene *scene, struct query *query) {
    scene->waiting++;
    pool_submit(scene->pool, &query);
}

static void too_late(struct loop_timer *timer) {
    fail_msg("not within %d ms", PATIENCE_MS);
}

static void await(struct scene *scene) {
    struct loop_timer timer;
    loop_timer_init(&timer, scene->loop, too_late);
    loop_timer_set(&timer, PATIENCE_MS);
    if (scene->waiting > 0) loop_run(scene->loop);
    loop_timer_cancel(&timer);
}

static struct outcome ask(struct scene *scene, const char *sql) {
    struct outcome outcome;
    submit(scene, asking_for(scene, &outcome, sql));
    await(scene);
    return outcome;
}

static void a_failed_statement_fails_alone_in_its_pipeline(void **state) {
    struct scene *scene = *state;
    struct outcome outcomes[8];
    open_pool(scene, scene->servers.global, 1, 8);
    for (int i = 0; i < 8; i++) submit(scene, asking_for(scene, &outcomes[i], i % 2 ? "SELECT 1/0" : "SELECT 'good'"));
    await(scene);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(outcomes[i].outcome, i % 2 ? QUERY_REFUSED : QUERY_OK);
        assert_string_equal(outcomes[i].sqlstate, i % 2 ? "22012" : "");
        assert_string_equal(outcomes[i].text, i % 2 ? "" : "good");
    }
}

static void statements_of_one_query_are_a_transaction(void **state) {
    struct scene *scene = *state;
    struct outcome outcome;
    open_pool(scene, scene->servers.global, 1, 1);
    assert_int_equal(ask(scene, "CREATE TABLE IF NOT EXISTS pair (a int)").outcome, QUERY_OK);
    assert_int_equal(ask(scene, "TRUNCATE pair").outcome, QUERY_OK);
    struct query *broken = asking_for(scene, &outcome, "INSERT INTO pair VALUES (1)");
    query_add(broken, "SELECT 1/0");
    submit(scene, broken);
    await(scene);
    assert_int_equal(outcome.outcome, QUERY_REFUSED);
    assert_string_equal(ask(scene, "SELECT count(*) FROM pair").text, "0");
    struct query *good = asking_for(scene, &outcome, "INSERT INTO pair VALUES (1)");
    query_add(good, "INSERT INTO pair VALUES (2) RETURNING a");
    submit(scene, good);
    await(scene);
    assert_string_equal(outcome.text, "2");
    assert_string_equal(ask(scene, "SELECT count(*) FROM pair").text, "2");
}

static void parameters_arrive_as_they_are(void **state) {
    struct scene *scene = *state;
    struct outcome outcome;
    open_pool(scene, scene->servers.global, 1, 1);
    struct query *query =
        asking_for(scene, &outcome,
                   "SELECT concat_ws('|', $1 = E'a\\'b\\\\c{},\"', $2, $3 IS NULL, $4[2] IS NULL, $4[3], $5[1], $6, "
                   "cardinality($7), octet_length($8))");
    struct parameters *out = &query->statements[0].parameters;
    parameters_add_text(out, SLICE("a'b\\c{},\""));
    parameters_add_integer(out, -7);
    parameters_add_text(out, SLICE_NONE);
    parameters_add_texts(out, 3);
    parameters_text_item(out, SLICE("x"));
    parameters_text_item(out, SLICE_NONE);
    parameters_text_item(out, SLICE("NULL"));
    parameters_add_integers(out, 1);
    parameters_integer_item(out, INT64_MIN);
    parameters_add_flag(out, true);
    parameters_add_texts(out, 0);
    parameters_add_bytes(out, SLICE("\0\1"));
    submit(scene, query);
    await(scene);
    assert_string_equal(outcome.sqlstate, "");
    assert_string_equal(outcome.text, "t|-7|t|t|NULL|-9223372036854775808|t|0|2");
}

static void an_overdue_query_is_cancelled_on_the_server(void **state) {
    struct scene *scene = *state;
    struct outcome outcome;
    open_pool(scene, scene->servers.global, 2, 1);
    assert_int_equal(ask(scene, "SELECT 1").outcome, QUERY_OK);
    struct query *query = asking_for(scene, &outcome, "SELECT pg_sleep(60), 'overdue query'");
    uint64_t before = loop_now_ms(scene->loop);
    query->due_ms = before + 300;
    submit(scene, query);
    await(scene);
    assert_int_equal(outcome.outcome, QUERY_REFUSED);
    assert_string_equal(outcome.sqlstate, "57014");
    assert_in_range(outcome.at_ms - before, 300, 10000);
    assert_string_equal(ask(scene,
                            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
                            "'%overdue%' AND pid <> pg_backend_pid()")
                            .text,
                        "0");
}

static void is_over(struct loop_timer *timer) {
    loop_stop(timer->loop);
}

static void nothing_is_sent_behind_a_delayed_query(void **state) {
    struct scene *scene = *state;
    struct outcome slow, quick[16];
    struct loop_timer timer;
    open_pool(scene, scene->servers.global, 2, 8);
    submit(scene, asking_for(scene, &slow, "SELECT 'late' FROM pg_sleep(2)"));
    loop_timer_init(&timer, scene->loop, is_over);
    loop_timer_set(&timer, 600);
    loop_run(scene->loop);
    for (int i = 0; i < 16; i++) submit(scene, asking_for(scene, &quick[i], "SELECT 'quick'"));
    await(scene);
    for (int i = 0; i < 16; i++) {
        assert_string_equal(quick[i].text, "quick");
        assert_true(quick[i].at_ms < slow.at_ms);
    }
    assert_string_equal(slow.text, "late");
}

static void a_connection_that_leads_to_another_server_is_not_used(void **state) {
    struct scene *scene = *state;
    scene->proof = "SELECT 1/0";
    open_pool(scene, scene->servers.global, 1, 1);
    assert_int_equal(ask(scene, "SELECT 'told'").outcome, QUERY_UNSENT);
    assert_true(scene->disproven > 0);
}

static void a_late_proof_does_not_condemn_the_server(void **state) {
    struct scene *scene = *state;
    scene->proof = "SELECT pg_sleep(5)";
    scene->query_timeout_ms = 200;
    open_pool(scene, scene->servers.global, 1, 1);
    assert_int_equal(ask(scene, "SELECT 'told'").outcome, QUERY_UNSENT);
    assert_int_equal(scene->disproven, 0);
}

static void each_query_in_flight_fails_when_its_connection_does(void **state) {
    struct scene *scene = *state;
    struct outcome outcomes[4];
    open_pool(scene, scene->servers.global, 1, 4);
    assert_int_equal(ask(scene, "SELECT 1").outcome, QUERY_OK);
    for (int i = 0; i < 4; i++) submit(scene, asking_for(scene, &outcomes[i], "SELECT pg_sleep(30), 'doomed query'"));
    while (loop_turn(scene->loop)) continue;
    while (strcmp(servers_sql(scene->servers.global,
                              "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE "
                              "query LIKE '%doomed%' AND state = 'active' AND pid <> "
                              "pg_backend_pid()"),
                  "0") == 0)
        loop_turn(scene->loop);
    await(scene);
    for (int i = 0; i < 4; i++) assert_int_equal(outcomes[i].outcome, QUERY_UNKNOWN);
    assert_string_equal(ask(scene, "SELECT 'again'").text, "again");
}

static void a_query_waits_for_a_connection_until_its_deadline(void **state) {
    struct scene *scene = *state;
    struct outcome busy, late;
    open_pool(scene, scene->servers.global, 1, 1);
    submit(scene, asking_for(scene, &busy, "SELECT pg_sleep(3)"));
    struct query *query = asking_for(scene, &late, "SELECT 1");
    query->due_ms = loop_now_ms(scene->loop) + 300;
    submit(scene, query);
    await(scene);
    assert_int_equal(busy.outcome, QUERY_OK);
    assert_int_equal(late.outcome, QUERY_UNSENT);
    assert_true(late.at_ms < busy.at_ms);
}

/* Even though the connection would still answer. */
static void a_server_that_is_no_longer_primary_is_left(void **unused) {
    static const char *const left[] = {"25006", "57P01", "57P02", "57P03", "08006", "08P01", "53300"};
    static const char *const stays[] = {"", "22P02", "23505", "40001", "40P01", "55P03", "57014", "CH001"};
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (!sqlstate_dooms(left[i])) fail_msg("%s", left[i]);
    for (size_t i = 0; i < sizeof stays / sizeof *stays; i++)
        if (sqlstate_dooms(stays[i])) fail_msg("%s", stays[i]);
}

/* Replaces getaddrinfo for the whole program, also for libpq: counts look-ups on the loop's thread. */
static pthread_t loop_thread;
static unsigned looked_up_on_the_loop;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found_r) {
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, __func__);
    bool is_address = hints && hints->ai_flags & AI_NUMERICHOST;
    if (name && !is_address && pthread_equal(pthread_self(), loop_thread)) looked_up_on_the_loop++;
    return next(name, service, hints, found_r);
}

static void names_are_never_resolved_on_the_loop(void **state) {
    struct scene *scene = *state;
    char conninfo[200];
    loop_thread = pthread_self();
    looked_up_on_the_loop = 0;
    snprintf(conninfo, sizeof conninfo, "host=localhost %s", strstr(scene->servers.global, "port="));
    open_pool(scene, conninfo, 1, 1);
    assert_int_equal(ask(scene, "SELECT 1").outcome, QUERY_OK);
    assert_int_equal(looked_up_on_the_loop, 0);
}

static void beat(struct loop_timer *timer) {
    struct {
        struct loop_timer timer;
        unsigned count;
    } *beats = (void *)timer;
    beats->count++;
    loop_timer_set(timer, 10);
}

/* The first server accepts and sends nothing, the second one answers: the loop must keep turning. */
static void a_dead_server_blocks_nothing_and_the_next_host_is_used(void **state) {
    struct scene *scene = *state;
    struct {
        struct loop_timer timer;
        unsigned count;
    } beats = {.count = 0};
    char conninfo[200];
    int silent = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(silent, 8), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &len), 0);
    snprintf(conninfo, sizeof conninfo, "host=127.0.0.1,127.0.0.1 port=%d,%s", ntohs(address.sin_port),
             strstr(scene->servers.global, "port=") + 5);
    loop_timer_init(&beats.timer, scene->loop, beat);
    loop_timer_set(&beats.timer, 10);
    uint64_t before = loop_now_ms(scene->loop);
    open_pool(scene, conninfo, 1, 1);
    struct outcome outcome;
    struct query *query = asking_for(scene, &outcome, "SELECT 'the second'");
    submit(scene, query);
    await(scene);
    loop_timer_cancel(&beats.timer);
    assert_string_equal(outcome.text, "the second");
    assert_true(outcome.at_ms - before >= 1000);
    assert_true(beats.count >= 20);
    close(silent);
}

static void nothing_depends_on_the_session(void **state) {
    struct scene *scene = *state;
    struct servers bounced;
    struct outcome outcomes[40];
    assert_true(servers_find(&bounced, true, false));
    open_pool(scene, bounced.global, 3, 8);
    for (int i = 0; i < 40; i++) submit(scene, asking_for(scene, &outcomes[i], i % 3 ? "SELECT 'good'" : "SELECT 1/0"));
    await(scene);
    for (int i = 0; i < 40; i++) assert_int_equal(outcomes[i].outcome, i % 3 ? QUERY_OK : QUERY_REFUSED);
}

static void a_full_queue_refuses_and_a_missing_server_refuses_at_once(void **state) {
    struct scene *scene = *state;
    static struct outcome outcomes[150];
    open_pool(scene, "host=127.0.0.1 port=1", 1, 1);
    for (int i = 0; i < 150; i++) submit(scene, asking_for(scene, &outcomes[i], "SELECT 1"));
    assert_false(outcomes[100].came);
    await(scene);
    for (int i = 0; i < 150; i++) assert_int_equal(outcomes[i].outcome, QUERY_UNSENT);
    assert_true(outcomes[149].at_ms < outcomes[0].at_ms);
    assert_true(pool_down_ms(scene->pool) > 2000);
    uint64_t before = loop_now_ms(scene->loop);
    struct outcome at_once = ask(scene, "SELECT 1");
    assert_int_equal(at_once.outcome, QUERY_UNSENT);
    assert_in_range(at_once.at_ms - before, 0, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_failed_statement_fails_alone_in_its_pipeline),
        TEST(statements_of_one_query_are_a_transaction),
        TEST(parameters_arrive_as_they_are),
        TEST(an_overdue_query_is_cancelled_on_the_server),
        TEST(nothing_is_sent_behind_a_delayed_query),
        TEST(a_connection_that_leads_to_another_server_is_not_used),
        TEST(a_late_proof_does_not_condemn_the_server),
        TEST(each_query_in_flight_fails_when_its_connection_does),
        TEST(a_query_waits_for_a_connection_until_its_deadline),
        cmocka_unit_test(a_server_that_is_no_longer_primary_is_left),
        TEST(names_are_never_resolved_on_the_loop),
        TEST(a_dead_server_blocks_nothing_and_the_next_host_is_used),
        TEST(nothing_depends_on_the_session),
        TEST(a_full_queue_refuses_and_a_missing_server_refuses_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
