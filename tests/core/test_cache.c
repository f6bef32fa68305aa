/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cache/cache.h"
#include "inside/inside.h"
#include "loop/loop.h"

enum { TTL_MS = 300000 };

static struct loop *loop;
static struct cache *cache;

static int set_up(void **state) {
    loop = loop_new_with_fake_clock();
    cache = cache_new(loop, 1 << 20);
    return 0;
}

static int tear_down(void **state) {
    cache_free(&cache);
    loop_free(&loop);
    return 0;
}

struct reader {
    struct cache_waiter waiter;
    struct cache_flight *flight;
    char value[32];
    bool has_heard, has_failed;
};

static void reader_hears(struct cache_waiter *waiter, struct slice value) {
    struct reader *reader = CONTAINER(waiter, struct reader, waiter);
    assert_false(reader->has_heard);
    reader->has_heard = true;
    reader->has_failed = !value.ptr;
    snprintf(reader->value, sizeof reader->value, "%.*s", SLICE_ARG(value));
}

static enum cache_found get(struct reader *reader, const char *key) {
    struct slice value = SLICE_NONE;
    *reader = (struct reader){.waiter.done = reader_hears};
    enum cache_found found = cache_get(cache, slice_of(key), &value, &reader->flight, &reader->waiter);
    snprintf(reader->value, sizeof reader->value, "%.*s", SLICE_ARG(value));
    return found;
}

static bool put(const char *key, const char *value, uint64_t version) {
    return cache_put(cache, slice_of(key), slice_of(value), version, TTL_MS);
}

/* The key's value, or "-". */
static const char *peek(const char *key) {
    static struct reader reader;
    switch (get(&reader, key)) {
        case CACHE_HIT:
            return reader.value;
        case CACHE_EARLY:
            cache_land(cache, &reader.flight, SLICE_NONE, 0);
            return reader.value;
        case CACHE_MISS:
            cache_land(cache, &reader.flight, SLICE_NONE, 0);
            break;
        case CACHE_WAIT:
            fail_msg("%s is under way", key);
            break;
    }
    return "-";
}

static void what_is_put_is_got(void **state) {
    assert_string_equal(peek("a"), "-");
    assert_true(put("a", "1", 0));
    assert_true(put("b", "2", 0));
    assert_string_equal(peek("a"), "1");
    assert_true(put("a", "3", 0));
    assert_string_equal(peek("a"), "3");
    assert_string_equal(peek("b"), "2");
    assert_int_equal(cache_entries(cache), 2);
    cache_remove(cache, SLICE("a"), 0);
    assert_string_equal(peek("a"), "-");
    assert_int_equal(cache_entries(cache), 1);
}

/* A thousand callers ask at once; one reads. */
static void one_reads_and_all_hear(void **state) {
    static struct reader readers[1000];
    assert_int_equal(get(&readers[0], "profile"), CACHE_MISS);
    for (int i = 1; i < 1000; i++) assert_int_equal(get(&readers[i], "profile"), CACHE_WAIT);
    char value[] = "alice";
    cache_land(cache, &readers[0].flight, slice_of(value), TTL_MS);
    assert_null(readers[0].flight);
    memset(value, 'x', sizeof value - 1);
    assert_false(readers[1].has_heard);
    loop_advance(loop, 0);
    for (int i = 1; i < 1000; i++) {
        assert_true(readers[i].has_heard);
        assert_string_equal(readers[i].value, "alice");
    }
    assert_string_equal(peek("profile"), "alice");
}

/* Puts "old" and asks until a caller gets EARLY. */
static void get_early(struct reader *reader, const char *key, uint64_t ttl_ms) {
    enum cache_found found;
    assert_true(cache_put(cache, slice_of(key), SLICE("old"), 0, ttl_ms));
    while ((found = get(reader, key)) == CACHE_HIT) loop_advance(loop, 1);
    assert_int_equal(found, CACHE_EARLY);
}

static void near_its_end_one_loads_and_the_others_are_served(void **state) {
    struct reader first, other;
    get_early(&first, "hot", 10000);
    assert_string_equal(first.value, "old");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(get(&other, "hot"), CACHE_HIT);
        assert_string_equal(other.value, "old");
    }
    assert_true(cache_land(cache, &first.flight, SLICE("new"), 10000));
    for (int i = 0; i < 8000; i++) {
        assert_int_equal(get(&other, "hot"), CACHE_HIT);
        assert_string_equal(other.value, "new");
        loop_advance(loop, 1);
    }
}

static void while_it_is_loaded_it_is_served_beyond_its_end(void **state) {
    struct reader first, other;
    for (int i = 0; i < 20; i++) {
        get_early(&first, "hot", 10000);
        uint64_t begun_ms = loop_now_ms(loop);
        enum cache_found found;
        while ((found = get(&other, "hot")) == CACHE_HIT) loop_advance(loop, 1);
        assert_in_range(loop_now_ms(loop) - begun_ms, 1350, 2200); /* its life and a tenth more */
        assert_int_equal(found, CACHE_WAIT);
        assert_true(cache_land(cache, &first.flight, SLICE("new"), 10000));
        loop_advance(loop, 0);
        assert_string_equal(other.value, "new");
    }
}

static void a_refresh_that_failed_is_not_seen(void **state) {
    struct reader reader;
    get_early(&reader, "hot", 10000);
    uint64_t begun_ms = loop_now_ms(loop);
    int failures = 0;
    for (enum cache_found found = CACHE_EARLY; found != CACHE_MISS; found = get(&reader, "hot")) {
        assert_string_equal(reader.value, "old");
        if (found == CACHE_EARLY) {
            assert_true(cache_land(cache, &reader.flight, SLICE_NONE, 10000));
            failures++;
        }
        loop_advance(loop, 1);
    }
    assert_in_range(failures, 1, 5);                   /* tried again, but not by every caller */
    assert_true(loop_now_ms(loop) - begun_ms <= 1101); /* and no longer than its life */
    cache_land(cache, &reader.flight, SLICE_NONE, 10000);
}

static void a_refresh_that_never_ends_is_given_up(void **state) {
    struct reader stuck, next;
    get_early(&stuck, "hot", TTL_MS);
    loop_advance(loop, CACHE_FLIGHT_MS);
    enum cache_found found;
    while ((found = get(&next, "hot")) == CACHE_HIT) loop_advance(loop, 1);
    assert_true(found == CACHE_EARLY || found == CACHE_MISS);
    assert_true(cache_land(cache, &next.flight, SLICE("new"), TTL_MS));
    assert_false(cache_land(cache, &stuck.flight, SLICE("late"), TTL_MS));
    assert_string_equal(peek("hot"), "new");
}

static void workers_ask_at_different_moments_of_the_last_tenth(void **state) {
    struct reader reader;
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_true(cache_put(cache, slice_of(key), slice_of(i % 2 ? "old" : ""), 0, 10000));
    }
    bool has_asked[1000] = {0};
    int early[3] = {0};
    for (int ms = 0; ms < 11000; ms += 10) {
        for (int i = 0; i < 1000; i++) {
            snprintf(key, sizeof key, "k%d", i);
            enum cache_found found = has_asked[i] ? CACHE_HIT : get(&reader, key);
            if (found == CACHE_HIT) continue;
            has_asked[i] = true;
            assert_int_equal(found, CACHE_EARLY);
            early[ms < 8100 ? 0 : ms < 9250 ? 1 : 2]++;
        }
        loop_advance(loop, 10);
    }
    assert_int_equal(early[0], 0);
    assert_in_range(early[1], 400, 600);
    assert_int_equal(early[1] + early[2], 1000);
}

static void expiry_is_spread_by_a_tenth(void **state) {
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_true(cache_put(cache, slice_of(key), SLICE("v"), 0, 10000));
    }
    int live[3] = {0};
    static const uint64_t steps_ms[3] = {8999, 1001, 1001};
    for (int step = 0; step < 3; step++) {
        loop_advance(loop, steps_ms[step]);
        for (int i = 0; i < 1000; i++) {
            snprintf(key, sizeof key, "k%d", i);
            live[step] += peek(key)[0] == 'v';
        }
    }
    assert_int_equal(live[0], 1000);
    assert_in_range(live[1], 350, 650);
    assert_int_equal(live[2], 0);
}

static void a_failed_flight_tells_its_waiters_and_stores_nothing(void **state) {
    struct reader first, second;
    get(&first, "a");
    get(&second, "a");
    cache_land(cache, &first.flight, SLICE_NONE, TTL_MS);
    loop_advance(loop, 0);
    assert_true(second.has_heard && second.has_failed);
    assert_int_equal(get(&first, "a"), CACHE_MISS);
    cache_land(cache, &first.flight, SLICE("1"), TTL_MS);
}

static void a_flight_that_never_lands_fails_its_waiters(void **state) {
    struct reader slow, waiting, next;
    get(&slow, "a");
    get(&waiting, "a");
    loop_advance(loop, CACHE_FLIGHT_MS);
    assert_true(waiting.has_failed);
    assert_int_equal(get(&next, "a"), CACHE_MISS);
    cache_land(cache, &next.flight, SLICE("new"), TTL_MS);
    cache_land(cache, &slow.flight, SLICE("old"), TTL_MS);
    loop_advance(loop, 0);
    assert_string_equal(peek("a"), "new");
}

/* The read began before the removal. */
static void a_slow_reader_brings_nothing_back(void **state) {
    struct reader slow, asked_before, after;
    get(&slow, "message");
    get(&asked_before, "message");
    cache_remove(cache, SLICE("message"), 0);
    assert_int_equal(get(&after, "message"), CACHE_MISS);
    cache_land(cache, &slow.flight, SLICE("deleted"), TTL_MS);
    loop_advance(loop, 0);
    assert_true(asked_before.has_heard);
    struct reader late;
    assert_int_equal(get(&late, "message"), CACHE_WAIT);
    cache_land(cache, &after.flight, SLICE("blank"), TTL_MS);
    loop_advance(loop, 0);
    assert_string_equal(late.value, "blank");
    assert_string_equal(peek("message"), "blank");
}

static void what_is_removed_while_it_is_loaded_again_stays_so(void **state) {
    struct reader slow;
    get_early(&slow, "message", 10000);
    cache_remove(cache, SLICE("message"), 0);
    assert_string_equal(peek("message"), "-");
    assert_false(cache_land(cache, &slow.flight, SLICE("deleted"), 10000));
    assert_string_equal(peek("message"), "-");
    get_early(&slow, "message", 10000);
    assert_true(put("message", "edited", 0));
    assert_false(cache_land(cache, &slow.flight, SLICE("old"), 10000));
    assert_string_equal(peek("message"), "edited");
    get_early(&slow, "other", 10000);
    cache_forget_all(cache);
    assert_false(cache_land(cache, &slow.flight, SLICE_NONE, 10000));
    assert_string_equal(peek("other"), "-");
}

static void a_put_overtakes_a_flight(void **state) {
    struct reader slow;
    get(&slow, "a");
    assert_true(put("a", "new", 7));
    cache_land(cache, &slow.flight, SLICE("old"), TTL_MS);
    assert_string_equal(peek("a"), "new");
}

static void an_older_version_never_replaces_a_newer_one(void **state) {
    assert_true(put("a", "five", 5));
    assert_false(put("a", "four", 4));
    assert_string_equal(peek("a"), "five");
    assert_true(put("a", "five again", 5));
    assert_true(put("a", "always newer", 0));
    assert_false(put("a", "four", 4));
    assert_true(put("a", "six", 6));
    assert_string_equal(peek("a"), "six");
}

static void a_tombstone_refuses_older_versions_for_a_while(void **state) {
    assert_true(put("a", "five", 5));
    cache_remove(cache, SLICE("a"), 6);
    assert_string_equal(peek("a"), "-");
    assert_false(put("a", "five", 5));
    struct reader after;
    assert_int_equal(get(&after, "a"), CACHE_MISS);
    cache_land(cache, &after.flight, SLICE("read"), TTL_MS);
    assert_string_equal(peek("a"), "read");
    assert_false(put("a", "five", 5));
    cache_remove(cache, SLICE("a"), 4);
    assert_string_equal(peek("a"), "read");
    cache_remove(cache, SLICE("a"), 0);
    assert_false(put("a", "six", 6));
    assert_true(put("a", "seven", 7));
    cache_remove(cache, SLICE("a"), 8);
    loop_advance(loop, CACHE_TOMBSTONE_MS);
    assert_true(put("a", "one", 1));
}

/* Removals during the gap were not received. */
static void after_a_gap_nothing_is_known(void **state) {
    struct reader slow, after;
    assert_true(put("a", "1", 0));
    assert_true(put("none", "", 0));
    assert_true(put("b", "2", 5));
    cache_remove(cache, SLICE("b"), 6);
    get(&slow, "slow");
    cache_forget_all(cache);
    assert_int_equal(cache_entries(cache), 1);
    assert_false(put("b", "2", 5));
    assert_int_equal(get(&after, "slow"), CACHE_MISS);
    cache_land(cache, &slow.flight, SLICE("old"), TTL_MS);
    cache_land(cache, &after.flight, SLICE("new"), TTL_MS);
    loop_advance(loop, 0);
    assert_string_equal(peek("slow"), "new");
    assert_string_equal(peek("a"), "-");
}

static void memory_is_bounded_and_the_least_used_go_first(void **state) {
    char value[1000] = {0}, key[16];
    memset(value, 'v', sizeof value - 1);
    put("loved", "yes", 0);
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        put(key, value, 0);
        assert_true(cache_bytes(cache) <= 1 << 20);
        if (i % 100 == 0) assert_string_equal(peek("loved"), "yes");
    }
    assert_string_equal(peek("k0"), "-");
    assert_true(peek("k9999")[0] == 'v');
    assert_in_range(cache_entries(cache), 800, 1000);
    cache_set_max(cache, 10000);
    assert_in_range(cache_entries(cache), 1, 10);
    char *huge = memory_new(20000);
    assert_true(cache_put(cache, SLICE("huge"), (struct slice){huge, 20000}, 0, TTL_MS));
    free(huge);
    assert_string_equal(peek("huge"), "-");
    cache_set_max(cache, 0);
    assert_int_equal(cache_bytes(cache), 0);
    assert_int_equal(cache_entries(cache), 0);
}

static void what_is_not_there_does_not_push_out_what_is(void **state) {
    char key[24];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "user%d", i);
        put(key, "profile", 0);
    }
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "guess%d", i);
        cache_put(cache, slice_of(key), SLICE(""), 0, TTL_MS);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "user%d", i);
        assert_string_equal(peek(key), "profile");
    }
    struct reader reader;
    assert_int_equal(get(&reader, "guess99999"), CACHE_HIT);
    assert_string_equal(reader.value, "");
    assert_in_range(cache_entries(cache), 1001, 3000);
}

static void flights_may_be_left_when_the_cache_goes(void **state) {
    static struct reader first, second;
    get(&first, "a");
    get(&second, "a");
    get(&first, "b");
    cache_land(cache, &first.flight, SLICE("1"), TTL_MS);
    cache_free(&cache);
    assert_false(second.has_heard);
    loop_advance(loop, CACHE_FLIGHT_MS);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_put_is_got),
        TEST(one_reads_and_all_hear),
        TEST(near_its_end_one_loads_and_the_others_are_served),
        TEST(while_it_is_loaded_it_is_served_beyond_its_end),
        TEST(a_refresh_that_failed_is_not_seen),
        TEST(a_refresh_that_never_ends_is_given_up),
        TEST(workers_ask_at_different_moments_of_the_last_tenth),
        TEST(expiry_is_spread_by_a_tenth),
        TEST(a_failed_flight_tells_its_waiters_and_stores_nothing),
        TEST(a_flight_that_never_lands_fails_its_waiters),
        TEST(a_slow_reader_brings_nothing_back),
        TEST(what_is_removed_while_it_is_loaded_again_stays_so),
        TEST(a_put_overtakes_a_flight),
        TEST(an_older_version_never_replaces_a_newer_one),
        TEST(a_tombstone_refuses_older_versions_for_a_while),
        TEST(after_a_gap_nothing_is_known),
        TEST(memory_is_bounded_and_the_least_used_go_first),
        TEST(what_is_not_there_does_not_push_out_what_is),
        TEST(flights_may_be_left_when_the_cache_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
