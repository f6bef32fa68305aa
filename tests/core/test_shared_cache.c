/* SPDX-License-Identifier: Apache-2.0 */
/* The cache that workers share: two of them with one real Redis, in the orders of events that often go wrong. */
#include "support/redis_stage.h"

#include <signal.h>

#include "cache/shared_cache.h"

enum { WORKERS = 2, TTL_MS = 60000 };
static struct redis *redis[WORKERS];
static struct shared_cache *shared[WORKERS];
static unsigned removals[WORKERS];
static uint64_t kept_ms; /* the life of values that fetches assume */
static int port;

static void note_removed(void *owner, struct slice key) {
    ++*(unsigned *)owner;
}

static const struct shared_events events = {.removed = note_removed};

struct fetched {
    struct shared_fetch fetch;
    unsigned answers;
    char value[64]; /* "-": it must be loaded */
    uint64_t ttl_ms, lease;
};

static void note(struct shared_fetch *fetch, const struct shared_answer *answer) {
    struct fetched *fetched = CONTAINER(fetch, struct fetched, fetch);
    fetched->answers++;
    fetched->ttl_ms = answer->ttl_ms;
    fetched->lease = answer->lease;
    snprintf(fetched->value, sizeof fetched->value, "%.*s", SLICE_ARG(answer->value.ptr ? answer->value : SLICE("-")));
}

static void start(int worker, struct fetched *fetched, const char *key) {
    *fetched = (struct fetched){.fetch.done = note};
    shared_cache_fetch(shared[worker], &fetched->fetch, slice_of(key), kept_ms, 0);
}

static struct fetched fetch(int worker, const char *key) {
    struct fetched fetched;
    start(worker, &fetched, key);
    stage_until(fetched.answers == 1);
    return fetched;
}

static struct fetched fetch_early(int worker, const char *key, uint64_t early_ms) {
    struct fetched fetched = {.fetch.done = note};
    shared_cache_fetch(shared[worker], &fetched.fetch, slice_of(key), kept_ms, early_ms);
    stage_until(fetched.answers == 1);
    return fetched;
}

static void land(int worker, const char *key, struct fetched fetched, const char *value) {
    shared_cache_land(shared[worker], slice_of(key), fetched.lease, slice_of(value), TTL_MS);
    answer_to(redis[worker], "GET stoa:x:settled"); /* earlier commands have been answered */
}

static void remove_at(int worker, const char *key) {
    unsigned before = removals[worker];
    shared_cache_remove(shared[worker], slice_of(key));
    stage_until(removals[worker] == before + 1);
}

static void what_one_worker_loads_the_others_find(void **unused) {
    struct fetched first = fetch(0, "profiles\nalice");
    assert_string_equal(first.value, "-");
    assert_true(first.lease > 0);
    land(0, "profiles\nalice", first, "{\"name\":\"Alice\"}");
    assert_string_equal(fetch(1, "profiles\nalice").value, "{\"name\":\"Alice\"}");
    assert_string_equal(fetch(0, "profiles\nalice").value, "{\"name\":\"Alice\"}");
    assert_string_equal(fetch(0, "profiles\nbob").value, "-");
    assert_string_equal(fetch(0, "roles\nalice").value, "-");
    char *type = redis_cli(port, "type stoa:x:profiles:{alice}");
    assert_string_equal(type, "string");
    free(type);
}

static void what_is_put_replaces_what_was_there(void **unused) {
    land(0, "a\nk", fetch(0, "a\nk"), "1");
    shared_cache_put(shared[1], SLICE("a\nk"), SLICE("2"), TTL_MS);
    stage_until(removals[1] == 1);
    stage_until(strcmp(fetch(0, "a\nk").value, "2") == 0);
}

static void of_a_hundred_readers_of_a_cold_key_one_loads(void **unused) {
    static struct fetched readers[100];
    struct fetched *leader = NULL;
    for (int i = 0; i < 100; i++) start(i % WORKERS, &readers[i], "p\ncourse");
    stage_until(readers[0].answers || readers[1].answers);
    for (int i = 0; i < WORKERS; i++)
        if (readers[i].answers) leader = &readers[i];
    assert_true(leader->lease > 0);
    land(leader == &readers[0] ? 0 : 1, "p\ncourse", *leader, "loaded");
    for (int i = 0; i < 100; i++) {
        stage_until(readers[i].answers == 1);
        assert_string_equal(readers[i].value, &readers[i] == leader ? "-" : "loaded");
    }
}

static void near_its_end_one_worker_loads_and_the_others_go_on(void **unused) {
    land(0, "p\ncourse", fetch(0, "p\ncourse"), "old");
    assert_int_equal(fetch_early(0, "p\ncourse", TTL_MS / 10).lease, 0); /* more time is left */
    struct fetched sent = fetch_early(0, "p\ncourse", 2 * TTL_MS);
    assert_true(sent.lease > 0);
    assert_string_equal(sent.value, "old");
    for (int i = 0; i < 20; i++) {
        struct fetched other = i < 10 ? fetch_early(i % WORKERS, "p\ncourse", 4 * TTL_MS) : fetch(1, "p\ncourse");
        assert_int_equal(other.lease, 0);
        assert_string_equal(other.value, "old");
    }
    land(0, "p\ncourse", sent, "new");
    assert_string_equal(fetch(1, "p\ncourse").value, "new");
    assert_true(fetch_early(1, "p\ncourse", 2 * TTL_MS).lease > 0); /* repeatedly */
}

static void while_it_is_loaded_it_is_served_beyond_its_end(void **unused) {
    land(0, "p\ncourse", fetch(0, "p\ncourse"), "old");
    uint64_t left_ms = fetch_early(0, "p\ncourse", 2 * TTL_MS).ttl_ms;
    assert_true(left_ms < 2 * TTL_MS);
    assert_true(fetch(1, "p\ncourse").ttl_ms > 2 * TTL_MS);
    fetch_early(1, "p\ncourse", 8 * TTL_MS); /* but only once */
    assert_true(fetch(1, "p\ncourse").ttl_ms < 4 * TTL_MS);
}

static void a_refresh_that_failed_is_not_seen(void **unused) {
    land(0, "p\ncourse", fetch(0, "p\ncourse"), "old");
    struct fetched sent = fetch_early(0, "p\ncourse", 2 * TTL_MS);
    shared_cache_land(shared[0], SLICE("p\ncourse"), sent.lease, SLICE_NONE, TTL_MS);
    assert_string_equal(fetch_early(0, "p\ncourse", 4 * TTL_MS).value, "old");
    assert_int_equal(fetch_early(1, "p\ncourse", 8 * TTL_MS).lease, 0);
    assert_true(fetch(1, "p\ncourse").ttl_ms < 4 * TTL_MS);
}

static void expiry_is_spread_by_a_tenth(void **unused) {
    uint64_t least = UINT64_MAX, most = 0;
    for (int i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "t\n%d", i);
        land(0, key, fetch(0, key), "1");
        uint64_t ttl_ms = fetch(1, key).ttl_ms;
        if (ttl_ms < least) least = ttl_ms;
        if (ttl_ms > most) most = ttl_ms;
    }
    assert_in_range(least, TTL_MS * 85 / 100, TTL_MS * 97 / 100);
    assert_in_range(most, TTL_MS * 103 / 100, TTL_MS * 11 / 10);
}

static void a_slow_reader_brings_nothing_back(void **unused) {
    struct fetched slow = fetch(0, "m\nx"); /* a slow read */
    remove_at(1, "m\nx");                   /* the value read changes meanwhile */
    land(0, "m\nx", slow, "deleted");
    struct fetched after = fetch(1, "m\nx");
    assert_string_equal(after.value, "-");
    assert_true(after.lease > 0);
    land(0, "m\nx", slow, "deleted"); /* nor under another worker's lease */
    land(1, "m\nx", after, "blank");
    assert_string_equal(fetch(0, "m\nx").value, "blank");
    land(0, "m\nx", slow, "deleted"); /* nor over an existing value */
    assert_string_equal(fetch(0, "m\nx").value, "blank");
}

static void what_is_removed_while_it_is_loaded_again_stays_so(void **unused) {
    land(0, "m\nx", fetch(0, "m\nx"), "old");
    struct fetched slow = fetch_early(0, "m\nx", 2 * TTL_MS);
    assert_true(slow.lease > 0);
    remove_at(1, "m\nx");
    land(0, "m\nx", slow, "deleted");
    assert_string_equal(fetch(0, "m\nx").value, "-");
    shared_cache_put(shared[1], SLICE("m\nx"), SLICE("old"), TTL_MS);
    stage_until(strcmp(fetch(0, "m\nx").value, "old") == 0);
    slow = fetch_early(0, "m\nx", 2 * TTL_MS);
    assert_true(slow.lease > 0);
    shared_cache_put(shared[1], SLICE("m\nx"), SLICE("edited"), TTL_MS);
    stage_until(strcmp(fetch(1, "m\nx").value, "edited") == 0);
    land(0, "m\nx", slow, "old");
    assert_string_equal(fetch(1, "m\nx").value, "edited");
}

static void what_was_read_from_another_log_is_not_found(void **unused) {
    shared_cache_set_log(shared[0], "1-aaaa");
    shared_cache_set_log(shared[1], "1-aaaa");
    land(0, "roles\nbob", fetch(0, "roles\nbob"), "member");
    assert_string_equal(fetch(1, "roles\nbob").value, "member");
    struct fetched slow = fetch(0, "roles\neve");
    shared_cache_set_log(shared[0], "2-bbbb");
    shared_cache_set_log(shared[1], "2-bbbb");
    assert_string_equal(fetch(1, "roles\nbob").value, "-");
    land(0, "roles\neve", slow, "owner"); /* read before the removal */
    assert_string_equal(fetch(1, "roles\neve").value, "-");
}

static void a_removal_takes_what_was_kept_before_it(void **unused) {
    land(0, "m\nx", fetch(0, "m\nx"), "old");
    remove_at(1, "m\nx");
    assert_string_equal(fetch(0, "m\nx").value, "-");
}

static void a_reader_that_waited_too_long_loads_and_keeps_nothing(void **unused) {
    struct fetched stuck = fetch(0, "s\nx"), impatient;
    uint64_t begun_ms = loop_now_ms(stage_loop);
    impatient = fetch(1, "s\nx");
    assert_true(loop_now_ms(stage_loop) >= begun_ms + SHARED_WAIT_MS);
    assert_string_equal(impatient.value, "-");
    assert_int_equal(impatient.lease, 0);
    land(1, "s\nx", impatient, "unkept");
    land(0, "s\nx", stuck, "kept");
    assert_string_equal(fetch(1, "s\nx").value, "kept");
}

static void after_a_load_that_failed_the_next_one_tries_at_once(void **unused) {
    struct fetched failing = fetch(0, "f\nx");
    shared_cache_land(shared[0], SLICE("f\nx"), failing.lease, SLICE_NONE, TTL_MS);
    assert_true(fetch(0, "f\nx").lease > 0);
}

static void what_is_too_large_is_not_kept(void **unused) {
    char *large = memory_new(SHARED_VALUE_MAX + 1);
    memset(large, '7', SHARED_VALUE_MAX + 1);
    struct fetched first = fetch(0, "l\nx");
    shared_cache_land(shared[0], SLICE("l\nx"), first.lease, (struct slice){large, SHARED_VALUE_MAX + 1}, TTL_MS);
    struct fetched second = fetch(0, "l\nx");
    assert_string_equal(second.value, "-");
    assert_true(second.lease > 0);
    free(large);
}

static void an_emptied_redis_is_a_miss(void **unused) {
    land(0, "e\nx", fetch(0, "e\nx"), "1");
    struct fetched loading = fetch(0, "e\ny");
    free(redis_cli(port, "flushall"));
    assert_string_equal(fetch(1, "e\nx").value, "-");
    land(0, "e\ny", loading, "old");
    assert_string_equal(fetch(1, "e\ny").value, "-");
}

static void nothing_is_read_until_a_refused_removal_succeeds(void **unused) {
    land(0, "r\nx", fetch(0, "r\nx"), "old");
    free(redis_cli(port, "acl setuser default -del"));
    shared_cache_remove(shared[0], SLICE("r\nx"));
    stage_pass(20); /* from then on, while it is being repeated or waits for that */
    for (int i = 0; i < 50; i++) {
        struct fetched meanwhile = fetch(0, "r\nx");
        assert_string_equal(meanwhile.value, "-");
        assert_int_equal(meanwhile.lease, 0);
        stage_pass(7); /* at any point between two repetitions */
    }
    free(redis_cli(port, "acl setuser default +del"));
    stage_until(removals[0] == 1);
    assert_string_equal(fetch(1, "r\nx").value, "-");
}

/* Its deadline passes; it may or may not have been executed. */
static void a_removal_that_redis_did_not_answer_is_repeated(void **unused) {
    land(0, "r\nx", fetch(0, "r\nx"), "old");
    real_signal(port, SIGSTOP);
    shared_cache_remove(shared[0], SLICE("r\nx"));
    stage_pass(1500); /* its deadline has passed */
    assert_int_equal(removals[0], 0);
    real_signal(port, SIGCONT);
    stage_until(removals[0] == 1);
    assert_string_equal(fetch(1, "r\nx").value, "-");
}

static void with_a_secret_nothing_forged_is_read(void **unused) {
    for (int i = 0; i < WORKERS; i++) {
        shared_cache_free(&shared[i]);
        shared[i] = shared_cache_new(stage_loop, redis[i], NULL, "known to us alone", &events, &removals[i]);
    }
    land(0, "roles\nmallory", fetch(0, "roles\nmallory"), "false");
    land(0, "roles\nalice", fetch(0, "roles\nalice"), "\"owner\"");
    assert_true(fetch_early(1, "roles\nalice", 2 * TTL_MS).lease > 0);
    assert_string_equal(fetch(1, "roles\nalice").value, "\"owner\"");
    free(redis_cli(port, "copy stoa:x:roles:{alice} stoa:x:roles:{mallory} replace"));
    assert_string_equal(fetch(1, "roles\nmallory").value, "-");
    free(redis_cli(port, "set stoa:x:roles:{mallory} v'owner'"));
    assert_string_equal(fetch(1, "roles\nmallory").value, "-");
}

static void while_redis_is_away_everybody_loads(void **unused) {
    real_signal(port, SIGSTOP);
    struct fetched alone = fetch(0, "w\nx");
    real_signal(port, SIGCONT);
    assert_string_equal(alone.value, "-");
    assert_int_equal(alone.lease, 0);
}

static void who_asks_hears_of_the_end(void **unused) {
    struct fetched open;
    start(0, &open, "g\ny");
    shared_cache_remove(shared[0], SLICE("g\nx"));
    shared_cache_free(&shared[0]);
    assert_int_equal(open.answers, 1);
    assert_string_equal(open.value, "-");
}

/* As after a failover to a server whose clock is ten minutes behind. */
static void a_value_never_outlives_its_time_whatever_redis_clock_says(void **unused) {
    land(0, "p\nchess", fetch(0, "p\nchess"), "queen");
    kept_ms = TTL_MS;
    real_set_clock(-600000);
    assert_string_equal(fetch(1, "p\nchess").value, "queen");
    assert_in_range(fetch(1, "p\nchess").ttl_ms, 1, TTL_MS + TTL_MS / 4);
    int64_t left_ms = answer_to(redis[1], "PTTL stoa:x:p:{chess}").integer;
    real_set_clock(0);
    assert_in_range(left_ms, 1, TTL_MS + TTL_MS / 4);
}

static int set_up(void **state) {
    kept_ms = 10 * TTL_MS; /* and more, for the tests of early reloads */
    stage_set_up(state);
    assert_int_equal(real_ports("ports", &port, 1), 1);
    free(redis_cli(port, "acl setuser default +del")); /* resets what a failed test may have left */
    free(redis_cli(port, "flushall"));
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    for (int i = 0; i < WORKERS; i++) {
        removals[i] = 0;
        redis[i] = REDIS_TO(REDIS_STANDALONE, address);
        shared[i] = shared_cache_new(stage_loop, redis[i], NULL, NULL, &events, &removals[i]);
        stage_until(redis_is_up(redis[i]));
    }
    return 0;
}

static int tear_down(void **state) {
    for (int i = 0; i < WORKERS; i++) {
        shared_cache_free(&shared[i]);
        redis_free(&redis[i]);
    }
    return stage_tear_down(state);
}

#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_REDIS(what_one_worker_loads_the_others_find),
        WITH_REDIS(what_is_put_replaces_what_was_there),
        WITH_REDIS(of_a_hundred_readers_of_a_cold_key_one_loads),
        WITH_REDIS(near_its_end_one_worker_loads_and_the_others_go_on),
        WITH_REDIS(while_it_is_loaded_it_is_served_beyond_its_end),
        WITH_REDIS(a_refresh_that_failed_is_not_seen),
        WITH_REDIS(expiry_is_spread_by_a_tenth),
        WITH_REDIS(a_slow_reader_brings_nothing_back),
        WITH_REDIS(what_is_removed_while_it_is_loaded_again_stays_so),
        WITH_REDIS(what_was_read_from_another_log_is_not_found),
        WITH_REDIS(a_removal_takes_what_was_kept_before_it),
        WITH_REDIS(a_reader_that_waited_too_long_loads_and_keeps_nothing),
        WITH_REDIS(after_a_load_that_failed_the_next_one_tries_at_once),
        WITH_REDIS(what_is_too_large_is_not_kept),
        WITH_REDIS(an_emptied_redis_is_a_miss),
        WITH_REDIS(nothing_is_read_until_a_refused_removal_succeeds),
        WITH_REDIS(a_removal_that_redis_did_not_answer_is_repeated),
        WITH_REDIS(with_a_secret_nothing_forged_is_read),
        WITH_REDIS(a_value_never_outlives_its_time_whatever_redis_clock_says),
        WITH_REDIS(while_redis_is_away_everybody_loads),
        WITH_REDIS(who_asks_hears_of_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
