/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that several workers share, with a real Redis. */
#include "support/redis_stage.h"

#include "base/metrics.h"
#include "limit/fleet_limiter.h"

enum { WORKERS = 2 };
static struct redis *redis;
static struct limiter *limiters[WORKERS];
static struct fleet_limiter *fleets[WORKERS];

static unsigned two(void *owner) {
    return WORKERS;
}

struct taken {
    struct fleet_limit_call call;
    unsigned answers;
    struct limit_answer answer;
};

static void note(struct fleet_limit_call *call, const struct limit_answer *answer) {
    struct taken *taken = CONTAINER(call, struct taken, call);
    taken->answers++;
    taken->answer = *answer;
}

static void start(int worker, struct taken *taken, const struct limit_ask *asks, size_t len, bool charge) {
    *taken = (struct taken){.call.done = note};
    if (fleet_limiter_take(fleets[worker], &taken->call, asks, len, charge, &taken->answer)) taken->answers++;
}

static struct limit_answer take_all_of(int worker, const struct limit_ask *asks, size_t len, bool charge) {
    struct taken taken;
    start(worker, &taken, asks, len, charge);
    stage_until(taken.answers == 1);
    return taken.answer;
}

static struct limit_answer take(int worker, struct limit_ask ask) {
    return take_all_of(worker, &ask, 1, true);
}

static struct limit_ask ask_of(const char *name, const char *key, unsigned count, uint64_t period_ms) {
    return (struct limit_ask){.name = slice_of(name), .key = slice_of(key), .rate = {count, period_ms}, .cost = 1};
}

static void two_workers_let_through_what_one_would(void **unused) {
    unsigned passed = 0;
    for (int i = 0; i < 40; i++) passed += take(i % WORKERS, ask_of("messages", "alice", 10, 600000)).allowed;
    assert_int_equal(passed, 10);
    assert_true(take(0, ask_of("messages", "bob", 10, 600000)).allowed);
    assert_true(take(0, ask_of("joins", "alice", 10, 600000)).allowed);
}

static void parts_of_a_unit_are_counted_by_all_workers(void **unused) {
    static const struct {
        const char *key;
        double cost;
        unsigned count;
        uint64_t period_ms;
        unsigned passes;
    } rows[] = {{"tenths", 0.1, 4, 600000, 40}, {"halves", 0.5, 1, 600000, 2}, {"", 0.3, 3, 600000, 10}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct limit_ask ask = ask_of("parts", rows[i].key, rows[i].count, rows[i].period_ms);
        ask.cost = rows[i].cost;
        unsigned passed = 0;
        for (unsigned n = 0; n < rows[i].passes + 5; n++) passed += take((int)n % WORKERS, ask).allowed;
        assert_int_equal(passed, rows[i].passes);
    }
}

static void what_is_asked_at_once_is_counted_once(void **unused) {
    struct taken taken[40];
    struct limit_ask ask = ask_of("messages", "carol", 10, 600000);
    unsigned passed = 0;
    for (int i = 0; i < 40; i++) start(i % WORKERS, &taken[i], &ask, 1, true);
    for (int i = 0; i < 40; i++) {
        stage_until(taken[i].answers == 1);
        passed += taken[i].answer.allowed;
    }
    assert_int_equal(passed, 10);
}

static void the_wait_that_is_told_is_the_wait_that_is_needed(void **unused) {
    struct limit_ask ask = ask_of("slow", "dave", 2, 2000);
    assert_true(take(0, ask).allowed);
    assert_true(take(1, ask).allowed);
    struct limit_answer refused = take(0, ask);
    assert_false(refused.allowed);
    assert_in_range(refused.retry_after_ms, 1, 1000);
    stage_pass((unsigned)refused.retry_after_ms + 5); /* as long as it was told to wait */
    assert_true(take(1, ask).allowed);
}

static void what_one_limit_refuses_costs_the_others_nothing(void **unused) {
    const struct limit_ask both[] = {ask_of("user", "erin", 5, 600000), ask_of("channel", "lobby", 1, 600000)};
    assert_true(take_all_of(0, both, 2, true).allowed);
    for (int i = 0; i < 20; i++) {
        struct limit_answer answer = take_all_of(i % WORKERS, both, 2, true);
        assert_false(answer.allowed);
        assert_int_equal(answer.refused_by, 1);
    }
    for (int left = 4; left > 0; left--)
        stage_until(take(left % WORKERS, both[0]).allowed); /* refunded a moment later */
    assert_false(take(0, both[0]).allowed);
}

static void what_is_given_back_is_there_for_all(void **unused) {
    const struct limit_ask both[] = {ask_of("user", "gina", 2, 600000), ask_of("everyone", "", 1000, 1000)};
    assert_true(take_all_of(0, both, 2, true).allowed);
    assert_true(take_all_of(1, both, 2, true).allowed);
    assert_false(take_all_of(1, both, 2, true).allowed);
    fleet_limiter_refund(fleets[1], both, 2);
    assert_true(take_all_of(1, both, 2, true).allowed); /* the same connection: one after the other */
    assert_false(take_all_of(0, both, 2, true).allowed);
}

static void a_look_costs_nothing(void **unused) {
    struct limit_ask ask = ask_of("tokens", "frank", 1, 600000);
    for (int i = 0; i < 5; i++) assert_true(take_all_of(i % WORKERS, &ask, 1, false).allowed);
    assert_true(take(0, ask).allowed);
    assert_false(take_all_of(1, &ask, 1, false).allowed);
}

static void a_limit_of_everybody_asks_redis_once_a_portion(void **unused) {
    struct limit_ask ask = ask_of("everybody", "", 1000, 1000); /* portions of 250 for each of two */
    int64_t before = metric_get(METRIC_REDIS_COMMANDS, NULL);
    unsigned passed = 0;
    for (int i = 0; i < 250; i++) passed += take(0, ask).allowed;
    assert_int_equal(passed, 250);
    assert_in_range(metric_get(METRIC_REDIS_COMMANDS, NULL) - before, 1, 10);
}

static void a_limit_of_everybody_holds_within_a_portion_a_worker(void **unused) {
    struct limit_ask ask = ask_of("rush", "", 100, 600000); /* too slow for portions: exact */
    unsigned passed = 0;
    for (int i = 0; i < 300; i++) passed += take(i % WORKERS, ask).allowed;
    assert_int_equal(passed, 100);
}

static void a_worker_only_limit_does_not_ask(void **unused) {
    struct limit_ask ask = ask_of("typing", "grace", 1, 600000);
    struct limit_answer answer;
    struct fleet_limit_call call = {.done = note};
    ask.is_worker_only = true;
    for (int worker = 0; worker < WORKERS; worker++) {
        assert_true(fleet_limiter_take(fleets[worker], &call, &ask, 1, true, &answer));
        assert_true(answer.allowed);
    }
}

static void without_redis_each_limit_follows_its_rule(void **unused) {
    struct redis *nowhere = REDIS_TO(REDIS_STANDALONE, "127.0.0.1:1");
    struct limiter *limiter = limiter_new(stage_loop, 1 << 20);
    struct fleet_limiter *held = fleets[0];
    fleets[0] = fleet_limiter_new(stage_loop, limiter, nowhere, two, NULL);
    static const struct {
        enum limit_away away;
        unsigned passes;
    } rows[] = {{LIMIT_AWAY_SHARE, 5}, {LIMIT_AWAY_OPEN, 10}, {LIMIT_AWAY_CLOSED, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%zu", i);
        struct limit_ask ask = ask_of("messages", key, 10, 600000);
        ask.away = rows[i].away;
        unsigned passed = 0;
        for (int n = 0; n < 20; n++) passed += take(0, ask).allowed;
        assert_int_equal(passed, rows[i].passes);
    }
    fleet_limiter_free(&fleets[0]);
    fleets[0] = held;
    limiter_free(&limiter);
    redis_free(&nowhere);
}

static void a_taking_under_way_is_refused_when_the_limiter_ends(void **unused) {
    struct taken taken;
    struct limit_ask ask = ask_of("messages", "ivan", 10, 600000);
    start(0, &taken, &ask, 1, true);
    fleet_limiter_free(&fleets[0]);
    assert_int_equal(taken.answers, 1);
    assert_false(taken.answer.allowed);
}

/* The promoted Redis has a clock ten minutes behind: timestamps of the earlier one are in its future. */
static void a_slow_redis_clock_refuses_nobody_longer_than_the_period(void **unused) {
    enum { PERIOD_MS = 1000, AHEAD_MS = 600000 };
    int port;
    struct limit_ask ask = ask_of("messages", "judy", 2, PERIOD_MS);
    assert_int_equal(real_ports("ports", &port, 1), 1);
    free(redis_cli(port, "set stoa:l:messages:{judy} '%lld %d'",
                   (long long)loop_wall_ms(stage_loop) + AHEAD_MS + PERIOD_MS, PERIOD_MS));
    uint64_t began_ms = loop_now_ms(stage_loop);
    struct limit_answer answer = take(0, ask);
    assert_false(answer.allowed);
    while (!answer.allowed) {
        assert_in_range(answer.retry_after_ms, 1, PERIOD_MS);
        assert_in_range(loop_now_ms(stage_loop) - began_ms, 0, 2 * PERIOD_MS);
        stage_pass((unsigned)answer.retry_after_ms + 5); /* as long as it was told to wait */
        answer = take(1, ask);
    }
}

static int set_up(void **state) {
    int port;
    char address[32];
    stage_set_up(state);
    if (real_ports("ports", &port, 1) != 1) return -1;
    free(redis_cli(port, "flushall"));
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    redis = REDIS_TO(REDIS_STANDALONE, address);
    for (int i = 0; i < WORKERS; i++) {
        limiters[i] = limiter_new(stage_loop, 1 << 20);
        fleets[i] = fleet_limiter_new(stage_loop, limiters[i], redis, two, NULL);
    }
    stage_until(redis_is_up(redis));
    return 0;
}

static int tear_down(void **state) {
    for (int i = 0; i < WORKERS; i++) {
        fleet_limiter_free(&fleets[i]);
        limiter_free(&limiters[i]);
    }
    redis_free(&redis);
    return stage_tear_down(state);
}

#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_REDIS(two_workers_let_through_what_one_would),
        WITH_REDIS(parts_of_a_unit_are_counted_by_all_workers),
        WITH_REDIS(what_is_asked_at_once_is_counted_once),
        WITH_REDIS(the_wait_that_is_told_is_the_wait_that_is_needed),
        WITH_REDIS(what_one_limit_refuses_costs_the_others_nothing),
        WITH_REDIS(what_is_given_back_is_there_for_all),
        WITH_REDIS(a_look_costs_nothing),
        WITH_REDIS(a_limit_of_everybody_asks_redis_once_a_portion),
        WITH_REDIS(a_limit_of_everybody_holds_within_a_portion_a_worker),
        WITH_REDIS(a_worker_only_limit_does_not_ask),
        WITH_REDIS(without_redis_each_limit_follows_its_rule),
        WITH_REDIS(a_taking_under_way_is_refused_when_the_limiter_ends),
        WITH_REDIS(a_slow_redis_clock_refuses_nobody_longer_than_the_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
