/* SPDX-License-Identifier: Apache-2.0 */
/* Which epochs of shards are over: what one worker meets all know, and nobody lowers it. */
#include "support/redis_stage.h"

#include "store/postgres/epoch_floors.h"

enum { SHARDS = 3 };

struct worker {
    struct epoch_floors *floors;
    unsigned settled, raised;
};

static struct redis *redis;

static void note_settled(void *owner) {
    ((struct worker *)owner)->settled++;
}

static void note_raised(void *owner, unsigned shard) {
    ((struct worker *)owner)->raised |= 1u << shard;
}

static const struct epoch_floors_events events = {note_settled, note_raised};

static void begin(struct worker *worker, struct redis *through, const char *secret) {
    *worker = (struct worker){.settled = 0};
    worker->floors = epoch_floors_new(stage_loop, through, secret, SHARDS + 1, &events, worker);
    stage_until(worker->settled == 1);
}

static int64_t known(const struct worker *worker, unsigned shard) {
    return epoch_floors_of(worker->floors, shard)->number;
}

static void meet(struct worker *worker, unsigned shard, int64_t number) {
    epoch_floors_meet(worker->floors, shard, &(struct epoch_floor){.number = number});
}

static int real_port(void) {
    int port;
    assert_int_equal(real_ports("ports", &port, 1), 1);
    return port;
}

static void what_one_has_met_a_newcomer_knows_before_it_writes(void **unused) {
    struct worker one, other, newcomer;
    begin(&one, redis, NULL);
    begin(&other, redis, NULL);
    meet(&one, 2, 7);
    stage_until(known(&other, 2) == 7);
    assert_int_equal(other.raised, 1u << 2);
    assert_int_equal(one.raised, 0);
    begin(&newcomer, redis, NULL);
    assert_int_equal(known(&newcomer, 2), 7);
    assert_int_equal(known(&newcomer, 0), 0);
    epoch_floors_free(&one.floors);
    epoch_floors_free(&other.floors);
    epoch_floors_free(&newcomer.floors);
}

static void nobody_lowers_it(void **unused) {
    struct worker one, late;
    begin(&one, redis, NULL);
    meet(&one, 0, 3);
    begin(&late, redis, NULL);
    meet(&late, 0, 2);
    stage_until(known(&late, 0) == 3);
    meet(&late, 0, 3);
    meet(&one, 0, 1);
    epoch_floors_free(&one.floors);
    epoch_floors_free(&late.floors);
    begin(&one, redis, NULL);
    assert_int_equal(known(&one, 0), 3);
    epoch_floors_free(&one.floors);
}

static void what_an_emptied_redis_forgot_is_said_again(void **unused) {
    struct worker one, newcomer;
    begin(&one, redis, NULL);
    meet(&one, 1, 5);
    stage_until(answer_to(redis, "HGET stoa:{epochs} 1").type == REDIS_STRING);
    free(redis_cli(real_port(), "flushall"));
    assert_int_equal(known(&one, 1), 5);
    begin(&newcomer, redis, NULL);
    stage_until(known(&newcomer, 1) == 5);
    epoch_floors_free(&one.floors);
    epoch_floors_free(&newcomer.floors);
}

static void a_floor_without_the_shards_seal_is_replaced(void **unused) {
    struct worker one, newcomer;
    begin(&one, redis, "a secret");
    meet(&one, 0, 4);
    stage_until(answer_to(redis, "HGET stoa:{epochs} 0").type == REDIS_STRING);
    assert_int_equal(answer_to(redis,
                               "EVAL return{redis.call('HSET',KEYS[1],'1',redis.call('HGET',KEYS[1],'0'),'0','9')} "
                               "1 stoa:{epochs}")
                         .status,
                     REDIS_DONE);
    begin(&newcomer, redis, "a secret");
    stage_until(known(&newcomer, 0) == 4);
    assert_int_equal(known(&one, 0), 4);
    assert_int_equal(known(&one, 1), 0);
    assert_int_equal(known(&newcomer, 1), 0);
    epoch_floors_free(&one.floors);
    epoch_floors_free(&newcomer.floors);
}

static void without_redis_it_is_what_this_worker_has_met(void **unused) {
    struct worker alone, cut_off;
    struct fake_server hole = {.swallows = true};
    fake_start(&hole);
    struct redis *nobody = REDIS_TO(REDIS_STANDALONE, hole.address);
    begin(&alone, NULL, NULL);
    begin(&cut_off, nobody, NULL);
    meet(&alone, 0, 2);
    meet(&cut_off, 0, 2);
    meet(&cut_off, 0, 1);
    assert_int_equal(known(&alone, 0), 2);
    assert_int_equal(known(&cut_off, 0), 2);
    epoch_floors_free(&alone.floors);
    epoch_floors_free(&cut_off.floors);
    redis_free(&nobody);
    fake_stop(&hole);
}

static void reach(struct worker *worker, unsigned shard, int64_t number, const char *incarnation, int64_t reached) {
    struct epoch_floor floor = {.number = number, .reached = reached};
    snprintf(floor.incarnation, sizeof floor.incarnation, "%s", incarnation);
    epoch_floors_meet(worker->floors, shard, &floor);
}

static bool stands_at(const struct worker *worker, unsigned shard, const char *incarnation, int64_t reached) {
    const struct epoch_floor *floor = epoch_floors_of(worker->floors, shard);
    return strcmp(floor->incarnation, incarnation) == 0 && floor->reached == reached;
}

static void how_far_a_log_had_got_a_newcomer_knows_too(void **unused) {
    struct worker one, other, newcomer;
    begin(&one, redis, "a secret");
    begin(&other, redis, "a secret");
    reach(&one, 0, 2, "aaaa", 70);
    reach(&one, SHARDS, 1, "gggg", 7); /* the global database */
    stage_until(stands_at(&other, 0, "aaaa", 70) && stands_at(&other, SHARDS, "gggg", 7));
    reach(&one, 0, 2, "aaaa", 90);
    reach(&other, 0, 2, "aaaa", 80); /* a worker that lags lowers nothing */
    stage_until(stands_at(&other, 0, "aaaa", 90));
    other.raised = 0;
    reach(&one, 0, 2, "aaaa", 95);
    stage_until(stands_at(&other, 0, "aaaa", 95));
    assert_int_equal(other.raised, 0); /* the epoch is still the same */
    begin(&newcomer, redis, "a secret");
    assert_true(stands_at(&newcomer, 0, "aaaa", 95) && stands_at(&newcomer, SHARDS, "gggg", 7));
    epoch_floors_free(&one.floors);
    epoch_floors_free(&other.floors);
    epoch_floors_free(&newcomer.floors);
}

static void old_and_new_workers_hear_of_each_others_epochs(void **unused) {
    struct worker one;
    begin(&one, redis, NULL);
    reach(&one, 0, 2, "aaaa", 70);
    stage_until(answer_to(redis, "HGET stoa:{epochs} 0").type == REDIS_STRING);
    char *number = redis_cli(real_port(), "hget stoa:{epochs} 0");
    assert_string_equal(number, "2");
    free(number);
    free(redis_cli(real_port(), "hset stoa:{epochs} 0 3"));
    stage_until(known(&one, 0) == 3);
    epoch_floors_free(&one.floors);
}

static int set_up(void **state) {
    char address[32];
    if (stage_set_up(state) != 0) return -1;
    free(redis_cli(real_port(), "flushall"));
    snprintf(address, sizeof address, "127.0.0.1:%d", real_port());
    redis = REDIS_TO(REDIS_STANDALONE, address);
    stage_until(redis_is_up(redis));
    return 0;
}

static int tear_down(void **state) {
    redis_free(&redis);
    return stage_tear_down(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_one_has_met_a_newcomer_knows_before_it_writes), TEST(how_far_a_log_had_got_a_newcomer_knows_too),
        TEST(old_and_new_workers_hear_of_each_others_epochs),     TEST(nobody_lowers_it),
        TEST(what_an_emptied_redis_forgot_is_said_again),         TEST(a_floor_without_the_shards_seal_is_replaced),
        TEST(without_redis_it_is_what_this_worker_has_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
