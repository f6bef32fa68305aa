/* SPDX-License-Identifier: Apache-2.0 */
/* The state that a fleet shares: the same contract in memory and on a real Redis, and cases with several workers. */
#include "support/redis_stage.h"

#include "base/metrics.h"
#include "state/state.h"
#include "state/state_local.h"
#include "state/state_redis.h"

static struct redis *redis;
static char gone[8][64];
static unsigned gone_len;

static void note_gone(void *owner, struct slice worker_id) {
    snprintf(gone[gone_len++ % 8], sizeof *gone, "%.*s", SLICE_ARG(worker_id));
}

static const struct state_events events = {.gone = note_gone};

static struct state *member(const char *worker_id) {
    return state_redis_new(stage_loop, redis, slice_of(worker_id), &events, NULL);
}

struct claimed {
    struct state_claim claim;
    unsigned answers, connections;
    enum state_verdict verdict;
};

static void note_claim(struct state_claim *claim, enum state_verdict verdict, unsigned connections) {
    struct claimed *claimed = CONTAINER(claim, struct claimed, claim);
    claimed->answers++;
    claimed->verdict = verdict;
    claimed->connections = connections;
}

static struct claimed claim(struct state *state, const char *user, unsigned most) {
    struct claimed claimed = {.claim.done = note_claim};
    state_claim_connection(state, &claimed.claim, slice_of(user), most);
    stage_until(claimed.answers == 1);
    return claimed;
}

/* Claims until granted or timed out; a release reaches Redis a moment later. */
static bool is_granted_soon(struct state *state, const char *user, unsigned most) {
    for (int i = 0; i < 200; i++) {
        if (claim(state, user, most).verdict == STATE_CLAIMED) return true;
        stage_pass(20); /* between two claims */
    }
    return false;
}

static void note_other(void *owner, struct slice worker_id) {
    buffer_printf(owner, "%.*s ", SLICE_ARG(worker_id));
}

static void assert_others(const struct state *state, const char *worker_ids) {
    struct buffer others = {0};
    state_each_other(state, note_other, &others);
    buffer_append_char(&others, 0);
    assert_string_equal(others.ptr, worker_ids);
    buffer_done(&others);
}

/* The contract for each driver. */
static void hold_to_the_contract(struct state *state) {
    for (unsigned i = 1; i <= 5; i++) {
        struct claimed claimed = claim(state, "alice", 5);
        assert_int_equal(claimed.verdict, STATE_CLAIMED);
        assert_int_equal(claimed.connections, i);
    }
    assert_int_equal(claim(state, "alice", 5).verdict, STATE_REFUSED);
    assert_int_equal(claim(state, "bob", 5).verdict, STATE_CLAIMED);
    state_release_connection(state, SLICE("alice"));
    assert_true(is_granted_soon(state, "alice", 5));
    assert_int_equal(claim(state, "alice", 5).verdict, STATE_REFUSED);
    assert_int_equal(claim(state, "alice", 0).verdict, STATE_CLAIMED); /* no limit, but still counted */
    state_release_connection(state, SLICE("carol"));                   /* carol has none */
    assert_int_equal(claim(state, "carol", 1).verdict, STATE_CLAIMED);
    assert_int_equal(claim(state, "carol", 1).verdict, STATE_REFUSED);
    assert_int_equal(state_workers(state), 1);
    assert_false(state_is_gone(state, SLICE("a.0.x")));
    assert_others(state, "");
}

static void memory_holds_to_the_contract(void **unused) {
    struct state *state = state_local_new(stage_loop);
    hold_to_the_contract(state);
    state_free(&state);
}

static void redis_holds_to_the_contract(void **unused) {
    struct state *state = member("a.0.one");
    hold_to_the_contract(state);
    state_free(&state);
}

static void of_fifty_at_once_over_two_workers_exactly_five_are_let_in(void **unused) {
    struct state *a = member("a.0.one"), *b = member("b.0.one");
    struct claimed claimed[50] = {{.answers = 0}};
    unsigned answers = 0, granted = 0;
    for (unsigned i = 0; i < 50; i++) {
        claimed[i].claim.done = note_claim;
        state_claim_connection(i % 2 ? a : b, &claimed[i].claim, SLICE("dave"), 5);
    }
    for (unsigned i = 0; i < 50; i++) {
        stage_until(claimed[i].answers == 1);
        answers++;
        granted += claimed[i].verdict == STATE_CLAIMED;
    }
    assert_int_equal(answers, 50);
    assert_int_equal(granted, 5);
    state_free(&a);
    state_free(&b);
}

/* Leaves a worker's reports in Redis, without the worker. */
static void leave_a_ghost(const char *worker_id, long long lease_ends_ms, const char *user) {
    int port;
    assert_int_equal(real_ports("ports", &port, 1), 1);
    free(redis_cli(port, "zadd stoa:{workers} %lld %s", lease_ends_ms, worker_id));
    if (user) free(redis_cli(port, "hset stoa:{u:%s}:c %s '5 99999999999999'", user, worker_id));
}

enum { LEASE_MS = 60000 };

static long long wall_ms(void) {
    return (long long)loop_wall_ms(stage_loop);
}

static void a_worker_that_was_killed_locks_nobody_out(void **unused) {
    struct state *b = member("b.0.one");
    leave_a_ghost("a.0.one", wall_ms() + LEASE_MS, "erin");
    stage_until(state_workers(b) == 2);
    assert_int_equal(claim(b, "erin", 5).verdict, STATE_REFUSED);
    gone_len = 0;
    struct state *again = member("a.0.two"); /* the master restarts the worker: the earlier process is dead */
    stage_until(state_is_gone(b, SLICE("a.0.one")));
    assert_true(gone_len > 0);
    assert_int_equal(claim(b, "erin", 5).verdict, STATE_CLAIMED);
    assert_int_equal(claim(again, "erin", 5).connections, 2);
    stage_until(state_workers(b) == 2);
    state_free(&again);
    stage_until(state_workers(b) == 1); /* a ended its lease */
    state_free(&b);
}

static void a_stopped_worker_is_gone_after_its_lease_and_may_come_back(void **unused) {
    struct state *b = member("b.0.one");
    leave_a_ghost("c.0.one", wall_ms() + 2000, NULL);
    gone_len = 0;
    assert_others(b, "");
    stage_until(state_workers(b) == 2);
    assert_others(b, "c.0.one ");
    stage_until(state_is_gone(b, SLICE("c.0.one")));
    assert_others(b, "");
    assert_int_equal(gone_len, 1);
    assert_string_equal(gone[0], "c.0.one");
    leave_a_ghost("c.0.one", wall_ms() + LEASE_MS, NULL);
    stage_until(!state_is_gone(b, SLICE("c.0.one")));
    assert_int_equal(state_workers(b), 2);
    state_free(&b);
}

/* By beats alone, each of them would take a second. */
static void a_stranger_who_is_heard_is_known_soon(void **unused) {
    enum { STRANGERS = 5 };
    struct state *b = member("b.0.one");
    uint64_t began_ms = loop_now_ms(stage_loop);
    for (unsigned i = 0; i < STRANGERS; i++) {
        char id[16];
        snprintf(id, sizeof id, "s.%u.one", i);
        leave_a_ghost(id, wall_ms() + LEASE_MS, NULL);
        state_note_worker(b, slice_of(id));
        stage_until(state_workers(b) == 2 + i);
    }
    assert_in_range(loop_now_ms(stage_loop) - began_ms, 0, (STRANGERS - 2) * 1000);
    state_free(&b);
}

static void an_emptied_redis_is_told_everything_again(void **unused) {
    struct state *a = member("a.0.one"), *b = member("b.0.one");
    int port;
    assert_int_equal(real_ports("ports", &port, 1), 1);
    stage_until(state_workers(a) == 2 && state_workers(b) == 2);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(claim(a, "frank", 5).verdict, STATE_CLAIMED);
    gone_len = 0;
    free(redis_cli(port, "flushall"));
    stage_pass(2500); /* two beats */
    assert_int_equal(gone_len, 0);
    assert_int_equal(state_workers(b), 2);
    struct claimed claimed = claim(b, "frank", 5);
    assert_int_equal(claimed.verdict, STATE_CLAIMED);
    assert_int_equal(claimed.connections, 4);
    state_free(&a);
    state_free(&b);
}

static void while_redis_is_away_a_worker_counts_its_own(void **unused) {
    struct redis *nowhere = REDIS_TO(REDIS_STANDALONE, "127.0.0.1:1");
    struct state *state = state_redis_new(stage_loop, nowhere, SLICE("a.0.one"), &events, NULL);
    assert_int_equal(claim(state, "grace", 2).verdict, STATE_GUESSED);
    assert_int_equal(claim(state, "grace", 2).verdict, STATE_GUESSED);
    assert_int_equal(claim(state, "grace", 2).verdict, STATE_REFUSED);
    state_release_connection(state, SLICE("grace"));
    assert_int_equal(claim(state, "grace", 2).verdict, STATE_GUESSED);
    state_free(&state);
    redis_free(&nowhere);
}

static void a_claim_under_way_is_refused_when_the_state_ends(void **unused) {
    struct state *a = member("a.0.one");
    struct claimed claimed = {.claim.done = note_claim};
    state_claim_connection(a, &claimed.claim, SLICE("heidi"), 1);
    state_free(&a);
    assert_int_equal(claimed.answers, 1);
    assert_int_equal(claimed.verdict, STATE_REFUSED);
}

/* When the lease of that worker's report on the user ends, in the fleet's time. */
static long long lease_end_ms(const char *user, const char *worker_id) {
    int port, connections;
    long long end_ms = 0;
    assert_int_equal(real_ports("ports", &port, 1), 1);
    char *said = redis_cli(port, "hget stoa:{u:%s}:c %s", user, worker_id);
    if (sscanf(said, "%d %lld", &connections, &end_ms) != 2) end_ms = 0;
    free(said);
    return end_ms;
}

/* Nothing else happens to a user who has been connected for long. */
static void a_connection_counts_for_as_long_as_it_lasts(void **unused) {
    struct state *state = member("a.0.one");
    assert_int_equal(claim(state, "ivan", 5).verdict, STATE_CLAIMED);
    long long first_ms = lease_end_ms("ivan", "a.0.one");
    assert_true(first_ms > 0);
    uint64_t end_ms = loop_now_ms(stage_loop) + STATE_USER_LEASE_MS * 2 / 3;
    while (lease_end_ms("ivan", "a.0.one") <= first_ms) {
        assert_true(loop_now_ms(stage_loop) < end_ms);
        stage_pass(1000); /* between two polls */
    }
    state_free(&state);
}

/* For a living worker that does not repeat its report: the lease decides. */
static void what_is_not_said_again_counts_no_more(void **unused) {
    int port;
    struct state *state = member("b.0.one");
    assert_int_equal(real_ports("ports", &port, 1), 1);
    leave_a_ghost("a.0.one", wall_ms() + LEASE_MS, "judy");
    stage_until(state_workers(state) == 2);
    assert_int_equal(claim(state, "judy", 5).verdict, STATE_REFUSED);
    free(redis_cli(port, "hset stoa:{u:judy}:c a.0.one '5 %lld'", wall_ms() - 1000));
    assert_int_equal(claim(state, "judy", 5).verdict, STATE_CLAIMED);
    assert_int_equal(claim(state, "judy", 5).connections, 2);
    state_free(&state);
}

/* As after a failover to a server whose clock differs. */
static void nobody_is_gone_because_the_clock_of_redis_jumps(void **unused) {
    static const long long jumps_ms[] = {8000, 600000, -600000, 0};
    struct state *a = member("a.0.one"), *b = member("b.0.one");
    stage_until(state_workers(a) == 2 && state_workers(b) == 2);
    for (unsigned i = 0; i < 5; i++) assert_int_equal(claim(a, "kim", 5).verdict, STATE_CLAIMED);
    gone_len = 0;
    for (size_t i = 0; i < sizeof jumps_ms / sizeof *jumps_ms; i++) {
        real_set_clock(jumps_ms[i]);
        stage_pass(1200); /* both have sent a beat */
        assert_int_equal(gone_len, 0);
        assert_int_equal(state_workers(a), 2);
        assert_int_equal(state_workers(b), 2);
        assert_int_equal(claim(b, "kim", 5).verdict, STATE_REFUSED); /* all of a's still count */
    }
    state_free(&a);
    stage_until(state_workers(b) == 1);
    state_free(&b);
}

/* After a clock is set back, earlier lease times lie in the future. */
static void a_killed_worker_is_gone_after_its_lease_despite_clock_changes(void **unused) {
    enum { LATEST_MS = 5000 };
    struct state *b = member("b.0.one");
    uint64_t began_ms = loop_now_ms(stage_loop);
    leave_a_ghost("a.0.one", wall_ms() + 2000, NULL);
    stage_until(state_workers(b) == 2);
    real_set_clock(-600000);
    stage_until(state_is_gone(b, SLICE("a.0.one")));
    assert_in_range(loop_now_ms(stage_loop) - began_ms, 0, LATEST_MS);
    state_free(&b);
}

/* Otherwise each of 1,000 workers would get 1,000 entries a second. */
static void membership_of_a_quiet_fleet_costs_the_same_at_any_size(void **unused) {
    enum { FLEET = 1000, BEATS = 2, BYTES_A_BEAT = 512 };
    int port;
    struct state *b = member("b.0.one");
    assert_int_equal(real_ports("ports", &port, 1), 1);
    free(redis_cli(port,
                   "eval \"for i = 1, %d do redis.call('ZADD', KEYS[1], '%lld', 'g.' .. i .. '.one') end\" 1 "
                   "stoa:{workers}",
                   FLEET, wall_ms() + LEASE_MS));
    stage_until(state_workers(b) == FLEET + 1);
    int64_t before = metric_get(METRIC_REDIS_RECEIVED, NULL);
    stage_pass(BEATS * 1000); /* one beat is a second */
    int64_t received = metric_get(METRIC_REDIS_RECEIVED, NULL) - before;
    assert_in_range(received, 1, (BEATS + 1) * BYTES_A_BEAT);
    state_free(&b);
}

static int set_up_on(void **state, int (*set_up_stage)(void **state)) {
    int port;
    char address[32];
    set_up_stage(state);
    if (real_ports("ports", &port, 1) != 1) return -1;
    free(redis_cli(port, "flushall"));
    real_set_clock(0);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    redis = REDIS_TO(REDIS_STANDALONE, address);
    stage_until(redis_is_up(redis));
    return 0;
}

static int set_up(void **state) {
    return set_up_on(state, stage_set_up);
}

static int set_up_in_haste(void **state) {
    return set_up_on(state, stage_set_up_in_haste);
}

static int tear_down(void **state) {
    redis_free(&redis);
    return stage_tear_down(state);
}

#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_REDIS(memory_holds_to_the_contract),
        WITH_REDIS(redis_holds_to_the_contract),
        WITH_REDIS(of_fifty_at_once_over_two_workers_exactly_five_are_let_in),
        WITH_REDIS(a_worker_that_was_killed_locks_nobody_out),
        WITH_REDIS(a_stopped_worker_is_gone_after_its_lease_and_may_come_back),
        WITH_REDIS(a_stranger_who_is_heard_is_known_soon),
        WITH_REDIS(an_emptied_redis_is_told_everything_again),
        WITH_REDIS(while_redis_is_away_a_worker_counts_its_own),
        WITH_REDIS(a_claim_under_way_is_refused_when_the_state_ends),
        cmocka_unit_test_setup_teardown(a_connection_counts_for_as_long_as_it_lasts, set_up_in_haste, tear_down),
        WITH_REDIS(what_is_not_said_again_counts_no_more),
        WITH_REDIS(membership_of_a_quiet_fleet_costs_the_same_at_any_size),
        WITH_REDIS(nobody_is_gone_because_the_clock_of_redis_jumps),
        WITH_REDIS(a_killed_worker_is_gone_after_its_lease_despite_clock_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
