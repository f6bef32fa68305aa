/* SPDX-License-Identifier: Apache-2.0 */
/* A Redis short of memory: how much caches may use, and what works without any. Uses a real one of 64 MB that evicts
 * nothing. */
#include "support/redis_stage.h"

#include <string.h>

#include "base/metrics.h"
#include "limit/fleet_limiter.h"
#include "redis/redis_room.h"
#include "state/state.h"
#include "state/state_redis.h"
#include "store/postgres/epoch_floors.h"
#include "store/recent_events.h"
#include "store/store_cached.h"

enum { MEMORY = 64 << 20, EVENTS = 125, EVENT_BYTES = 8000 };

static struct redis *redis;
static struct redis_room *room;
static struct recent_events *recent;
static int port;

static struct buffer last; /* events of each channel, one megabyte */

static void write_events(void) {
    for (unsigned i = 1; i <= EVENTS; i++)
        buffer_printf(&last, "%c[\"message:new\",{\"seq\":%u,\"text\":\"%0*u\"}]", i == 1 ? '[' : ',', i, EVENT_BYTES,
                      i);
    buffer_append_char(&last, ']');
}

static void keep_range(unsigned channel) {
    char id[16];
    snprintf(id, sizeof id, "c%u", channel);
    const struct recent_log log = {slice_of(id), SLICE("e1")};
    recent_events_keep(recent, &log, 0, EVENTS, buffer_slice(&last), false);
}

static long long number_of(const char *command) {
    char *said = redis_cli(port, "%s", command);
    long long number = atoll(said);
    free(said);
    return number;
}

static long long used_bytes(void) {
    return number_of("info memory | sed -n s/^used_memory://p");
}

static bool has_range(unsigned channel) {
    char command[64];
    snprintf(command, sizeof command, "exists stoa:{c:c%u}:e:e1", channel);
    return number_of(command) == 1;
}

/* Repeats until it is kept. */
static void keep(unsigned channel) {
    uint64_t end_ms = loop_now_ms(stage_loop) + STAGE_PATIENCE_MS;
    for (keep_range(channel); !has_range(channel); keep_range(channel)) {
        if (loop_now_ms(stage_loop) > end_ms) fail_msg("channel %u finds no room", channel);
        stage_pass(5); /* between two polls */
    }
}

/* Leases, limits, floors. */

static enum state_verdict verdict;
static unsigned claims_answered;
static void note_claim(struct state_claim *claim, enum state_verdict given, unsigned connections) {
    verdict = given;
    claims_answered++;
}
static struct limit_answer limited;
static unsigned limits_answered;
static void note_limit(struct fleet_limit_call *call, const struct limit_answer *answer) {
    limited = *answer;
    limits_answered++;
}
static unsigned one(void *owner) {
    return 1;
}
static void settled(void *owner) {}
static void raised(void *owner, unsigned shard) {}

static void assert_claims_are_kept(struct state *state, const char *user) {
    struct state_claim claim = {.done = note_claim};
    unsigned before = claims_answered;
    state_claim_connection(state, &claim, slice_of(user), 1);
    stage_until(claims_answered == before + 1);
    assert_int_equal(verdict, STATE_CLAIMED);
    state_claim_connection(state, &claim, slice_of(user), 1);
    stage_until(claims_answered == before + 2);
    assert_int_equal(verdict, STATE_REFUSED);
}

static void assert_limits_are_kept(const char *user) {
    const struct limit_ask ask = {
        .name = SLICE("messages"), .key = slice_of(user), .rate = {1, 600000}, .cost = 1, .away = LIMIT_AWAY_OPEN};
    struct limiter *limiter = limiter_new(stage_loop, 1 << 20), *another = limiter_new(stage_loop, 1 << 20);
    struct fleet_limiter *fleets[] = {fleet_limiter_new(stage_loop, limiter, redis, one, NULL),
                                      fleet_limiter_new(stage_loop, another, redis, one, NULL)};
    for (unsigned i = 0; i < 2; i++) {
        struct fleet_limit_call call = {.done = note_limit};
        limits_answered = 0;
        if (!fleet_limiter_take(fleets[i], &call, &ask, 1, true, &limited)) stage_until(limits_answered == 1);
        assert_int_equal(limited.allowed, i == 0);
        fleet_limiter_free(&fleets[i]);
    }
    limiter_free(&limiter);
    limiter_free(&another);
}

static void assert_floors_are_kept(int64_t epoch) {
    static const struct epoch_floors_events events = {settled, raised};
    struct epoch_floors *floors = epoch_floors_new(stage_loop, redis, NULL, 1, &events, NULL),
                        *others = epoch_floors_new(stage_loop, redis, NULL, 1, &events, NULL);
    epoch_floors_meet(floors, 0, &(struct epoch_floor){.number = epoch});
    stage_until(epoch_floors_of(others, 0)->number == epoch);
    epoch_floors_free(&floors);
    epoch_floors_free(&others);
}

/* Each with its own user, and a higher epoch each time. */
static void assert_all_is_kept(const char *user, int64_t epoch) {
    struct state *state = state_redis_new(stage_loop, redis, SLICE("a.0.one"), NULL, NULL);
    assert_claims_are_kept(state, user);
    assert_limits_are_kept(user);
    assert_floors_are_kept(epoch);
    stage_until(number_of("zcard stoa:{workers}") == 1);
    state_free(&state);
}

static void caches_of_120_busy_channels_leave_room_for_leases_limits_and_floors(void **unused) {
    enum { CHANNELS = 120 };
    int64_t refused = metric_get(METRIC_REDIS_ERRORS, "memory");
    for (unsigned i = 0; i < CHANNELS; i++) {
        keep(i);
    }
    assert_in_range(used_bytes(), MEMORY / 2, MEMORY * 7 / 8);
    assert_int_equal(metric_get(METRIC_REDIS_ERRORS, "memory"), refused);
    assert_false(redis_room_is_full(room));
    assert_all_is_kept("alice", 7);
    long long ranges = number_of("dbsize");
    keep(CHANNELS); /* the next one is kept too */
    assert_in_range(number_of("dbsize"), ranges / 2, ranges + 1);
}

static void channels_that_are_not_read_make_room_for_those_that_are(void **unused) {
    enum { OLD = 30, NEW = 30, IN_USE = 7 };
    unsigned old = 0;
    for (unsigned i = 0; i < OLD; i++) keep(i);
    stage_pass(2100); /* Redis counts idle seconds */
    for (unsigned i = OLD; i < OLD + NEW; i++) {
        (void)number_of("zcard stoa:{c:c7}:e:e1");
        keep(i);
    }
    for (unsigned i = 0; i < OLD; i++) old += has_range(i);
    assert_true(has_range(IN_USE));
    assert_in_range(old, 1, OLD - 10);
    for (unsigned i = OLD; i < OLD + NEW; i++) assert_true(has_range(i));
}

/* Filled by another program. */
static void fill(long long bytes) {
    free(redis_cli(port, "eval \"for i = 1, %lld do redis.call('SET', 'filler' .. i, string.rep('x', 1000000)) end\" 0",
                   bytes / 1000000));
    long long left;
    while ((left = MEMORY - used_bytes()) > 0) {
        char *said = redis_cli(port, "set filler:%lld \"$(head -c %lld /dev/zero | tr '\\0' x)\"", left,
                               left > 100000 ? 100000 : left / 2 + 1);
        bool is_refused = strstr(said, "OOM");
        free(said);
        if (is_refused) break;
    }
}

static void a_full_redis_is_logged_once_and_still_serves(void **unused) {
    keep(1);
    fill(MEMORY - used_bytes());
    stage_until((keep_range(2), redis_room_is_full(room)));
    assert_int_equal(metric_get(METRIC_REDIS_FULL, NULL), 1);
    stage_until(!has_range(1)); /* caches are deleted first; a look samples keys, so one look may miss it */
    assert_all_is_kept("bob", 9);
    free(redis_cli(port, "flushall"));
    stage_until(!redis_room_is_full(room));
    assert_int_equal(metric_get(METRIC_REDIS_FULL, NULL), 0);
    keep(3);
}

static int set_up(void **state) {
    static const char *const caches[] = {STORE_CACHED_KEYS};
    char address[32];
    stage_set_up(state);
    write_events();
    if (real_ports("ports", &port, 1) != 1) return -1;
    free(redis_cli(port, "flushall"));
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    redis = REDIS_TO(REDIS_STANDALONE, address);
    stage_until(redis_is_up(redis));
    room = redis_room_new(stage_loop, redis, caches, 1);
    recent = recent_events_new(stage_loop, redis, room, NULL);
    return 0;
}

static int tear_down(void **state) {
    buffer_done(&last);
    recent_events_free(&recent);
    redis_room_free(&room);
    redis_free(&redis);
    free(redis_cli(port, "flushall"));
    return stage_tear_down(state);
}

#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_REDIS(caches_of_120_busy_channels_leave_room_for_leases_limits_and_floors),
        WITH_REDIS(channels_that_are_not_read_make_room_for_those_that_are),
        WITH_REDIS(a_full_redis_is_logged_once_and_still_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
