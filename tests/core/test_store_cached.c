/* SPDX-License-Identifier: Apache-2.0 */
/* A store that caches channels' last events in Redis: two workers with one log and one real Redis. */
#include "support/redis_stage.h"
#include "support/store_asking.h"

#include "base/log.h"
#include "base/metrics.h"
#include "store/recent_events.h"
#include "store/sqlite/store_sqlite.h"
#include "store/store_cached.h"
#include "store/store_driver.h"

enum { WORKERS = 2 };

/* A worker's view of the log; counts its reads. */
struct door {
    struct store base;
    unsigned reads;
    bool is_promoted; /* promoted between reading the head and the rows */
};

static struct asking asking;
static struct store *log_store, *workers[WORKERS];
static struct door doors[WORKERS];
static struct redis *redis;
static struct recent_events *recent; /* writes anything that a worker could write to Redis */
static int port;
static char epoch[STORE_EPOCH_MAX];

static void door_submit(struct store *store, struct store_request *request) {
    struct door *door = CONTAINER(store, struct door, base);
    door->reads += request->op == STORE_EVENTS || request->op == STORE_MESSAGES;
    if (door->is_promoted && request->op == STORE_HEADS) {
        size_t len;
        store_heads(request, &len)->at = (struct store_cursor){1, "0-before"};
        request->status = STORE_OK;
        request->done(request);
        store_request_free(&request);
        return;
    }
    if (door->is_promoted && request->op == STORE_EVENTS)
        request->events.epoch = S(epoch); /* the log continues from there */
    store_submit(log_store, &request);
}

static void door_close(struct store *store, unsigned deadline_ms) {}

static unsigned door_part_of(struct store *store, struct slice channel_id) {
    return slice_is(channel_id, "hall") ? 7 : 3;
}

static const struct store_ops door_ops = {.submit = door_submit, .close = door_close, .part_of = door_part_of};

static struct asking *at(struct store *store) {
    asking.store = store;
    return &asking;
}

static struct answer *events_at(struct store *store, int64_t seq, unsigned limit) {
    return ASK(at(store), STORE_EVENTS, .channel_id = S("hall"), .events.seq = seq, .events.epoch = S(epoch),
               .events.limit = limit);
}

/* Checks that a worker's answer equals the log; returns how often it read the log for it. */
static unsigned reads_right(int worker, int64_t seq, unsigned limit) {
    unsigned before = doors[worker].reads;
    struct answer *cached = events_at(workers[worker], seq, limit), *plain = events_at(log_store, seq, limit);
    assert_status(cached, plain->status);
    assert_string_equal(cached->json, plain->json);
    assert_int_equal(cached->seq, plain->seq);
    assert_string_equal(cached->epoch, plain->epoch);
    assert_int_equal(cached->more, plain->more);
    assert_int_equal(cached->floor, plain->floor);
    assert_int_equal(cached->fork, plain->fork);
    return doors[worker].reads - before;
}

/* The same for the newest page. */
static unsigned pages_right(int worker, unsigned limit) {
    unsigned before = doors[worker].reads;
    struct answer *cached = ASK(at(workers[worker]), STORE_MESSAGES, .channel_id = S("hall"), .messages.limit = limit);
    unsigned reads = doors[worker].reads - before;
    struct answer *plain = ASK(at(log_store), STORE_MESSAGES, .channel_id = S("hall"), .messages.limit = limit);
    assert_status(cached, plain->status);
    assert_string_equal(cached->json, plain->json);
    assert_int_equal(cached->more, plain->more);
    return reads;
}

/* Waits until all commands sent to Redis so far are done. */
static void settle(void) {
    answer_to(redis, "GET stoa:settled");
}

static void say(int worker, int n) {
    char id[16];
    snprintf(id, sizeof id, "m%d", n);
    assert_status(SAY(at(workers[worker]), "hall", "alice", "", id, "\"hello\""), STORE_OK);
    settle();
}

static struct recent_log hall(void) {
    return (struct recent_log){SLICE("hall"), slice_of(epoch)};
}

struct found {
    struct recent_read read;
    bool has_answered;
    int64_t top;
};

static void note(struct recent_read *read, struct slice events, int64_t top) {
    struct found *found = CONTAINER(read, struct found, read);
    found->has_answered = true;
    found->top = top;
}

/* How far the range reaches without a gap. */
static int64_t top_after(int64_t seq) {
    struct recent_log log = hall();
    struct found found = {.read.done = note};
    recent_events_read(recent, &found.read, &log, seq, INT32_MAX);
    stage_until(found.has_answered);
    return found.top;
}

static void keep(int64_t after, const struct answer *answer, int64_t top, bool continues) {
    struct recent_log log = hall();
    recent_events_keep(recent, &log, after, top, slice_of(answer->json), continues);
    settle();
}

static void an_empty_channel_and_a_short_one_are_not_read_again(void **unused) {
    assert_int_equal(reads_right(0, 0, 0), 0);
    say(0, 1);
    assert_int_equal(reads_right(0, 0, 0), 1);
    settle();
    assert_int_equal(reads_right(0, 0, 0), 0);
    assert_int_equal(reads_right(1, 0, 0), 0);
    assert_int_equal(reads_right(1, 1, 0), 0);
}

static void what_is_committed_joins_the_range_as_the_log_tells_it(void **unused) {
    say(0, 1);
    assert_int_equal(reads_right(0, 0, 0), 1);
    settle();
    say(1, 2);
    say(0, 3);
    assert_status(
        ASK(at(workers[1]), STORE_APPEND, .append.kind = STORE_EDIT, SAYING("hall", "alice", "", "m2", "\"2\"")),
        STORE_OK);
    settle();
    assert_int_equal(reads_right(0, 0, 0), 0);
    assert_int_equal(reads_right(1, 1, 2), 0);
    assert_int_equal(reads_right(1, 3, 1), 0);
}

static void a_slow_reader_makes_no_gap(void **unused) {
    for (int i = 1; i <= 4; i++) say(0, i);
    struct answer *slow = events_at(log_store, 0, 2), *all = events_at(log_store, 0, 0);
    keep(0, all, 4, false);
    keep(0, slow, 2, false); /* it reaches less far */
    assert_int_equal(top_after(0), 4);
    struct answer *ahead = SAY(at(log_store), "hall", "bob", "", "m5", "5");
    struct answer *further = SAY(at(log_store), "hall", "bob", "", "m6", "6");
    struct recent_log log = hall();
    recent_events_committed(recent, &log, further->seq, slice_of(further->json)); /* too early */
    settle();
    assert_int_equal(top_after(0), 4);
    recent_events_committed(recent, &log, ahead->seq, slice_of(ahead->json));
    settle();
    assert_int_equal(top_after(0), 5);
    keep(5, events_at(log_store, 5, 0), 6, true);
    assert_int_equal(top_after(0), 6);
    SAY(at(log_store), "hall", "bob", "", "m7", "7");
    SAY(at(log_store), "hall", "bob", "", "m8", "8");
    keep(7, events_at(log_store, 7, 0), 8, true); /* 7 would be missing */
    assert_int_equal(top_after(0), 6);
    assert_int_equal(reads_right(0, 0, 0), 1);
    assert_int_equal(reads_right(1, 0, 0), 0);
}

static void growing_does_not_renew_the_time(void **unused) {
    char command[128];
    say(0, 1);
    reads_right(0, 0, 0);
    settle();
    snprintf(command, sizeof command, "PEXPIRE stoa:{c:hall}:e:%s 5000", epoch);
    assert_int_equal(answer_to(redis, command).integer, 1);
    say(0, 2);
    assert_int_equal(top_after(0), 2);
    snprintf(command, sizeof command, "PTTL stoa:{c:hall}:e:%s", epoch);
    assert_in_range(answer_to(redis, command).integer, 1, 5000);
}

static void what_was_deleted_is_not_shown_again(void **unused) {
    assert_status(SAY(at(workers[0]), "hall", "alice", "", "m1", "\"a secret\""), STORE_OK);
    say(0, 2);
    struct answer *before = events_at(log_store, 0, 0);
    reads_right(0, 0, 0);
    settle();
    assert_status(ASK(at(workers[1]), STORE_APPEND, .append.kind = STORE_DELETE, SAYING("hall", "alice", "", "m1", "")),
                  STORE_OK);
    settle();
    assert_has_not(events_at(workers[0], 0, 0), "a secret");
    assert_has_not(events_at(workers[1], 0, 0), "a secret");
    free(redis_cli(port, "flushall"));
    keep(0, before, 2, false); /* a slow reader, after Redis lost everything */
    assert_int_equal(top_after(0), 2);
    assert_has_not(events_at(workers[0], 0, 0), "a secret");
    settle();
    assert_has_not(events_at(workers[1], 0, 0), "a secret");
    assert_int_equal(reads_right(1, 0, 0), 0);
}

static void of_a_hundred_readers_of_a_cold_channel_one_reads_the_log(void **unused) {
    struct answer *answers[100];
    for (int i = 1; i <= 50; i++) say(0, i);
    for (int i = 0; i < 100; i++)
        answers[i] = SUBMIT(at(workers[0]), STORE_EVENTS, .channel_id = S("hall"), .events.seq = i % 50,
                            .events.epoch = S(epoch));
    asking_wait(&asking);
    for (int i = 0; i < 100; i++) assert_status(answers[i], STORE_OK);
    assert_int_equal(doors[0].reads, 1);
}

static void ranges_that_were_read_at_once_do_not_end_at_once(void **unused) {
    int64_t least = INT64_MAX, most = 0;
    char command[128];
    say(0, 1);
    snprintf(command, sizeof command, "PTTL stoa:{c:hall}:e:%s", epoch);
    for (int i = 0; i < 50; i++) {
        free(redis_cli(port, "flushall"));
        reads_right(0, 0, 0);
        settle();
        int64_t ttl_ms = answer_to(redis, command).integer;
        if (ttl_ms < least) least = ttl_ms;
        if (ttl_ms > most) most = ttl_ms;
    }
    assert_in_range(least, RECENT_TTL_MS * 85 / 100, RECENT_TTL_MS * 97 / 100);
    assert_in_range(most, RECENT_TTL_MS * 103 / 100, RECENT_TTL_MS * 11 / 10);
}

/* what: the new content, or the emoji. */
static void change(int worker, enum store_kind kind, const char *id, const char *what) {
    const char *content = kind == STORE_EDIT ? what : "";
    assert_status(ASK(at(workers[worker]), STORE_APPEND, .append.kind = kind, SAYING("hall", "alice", "", id, content),
                      .append.emoji = S(what)),
                  STORE_OK);
    settle();
}

static void the_newest_page_of_a_short_channel_is_read_once(void **unused) {
    assert_int_equal(pages_right(0, 50), 0);
    say(0, 1);
    assert_int_equal(pages_right(0, 50), 1);
    settle();
    assert_int_equal(pages_right(0, 50), 0);
    assert_int_equal(pages_right(1, 1), 0);
}

static void of_a_hundred_who_open_a_channel_one_reads_it(void **unused) {
    struct answer *answers[100];
    int64_t hits = metric_get(METRIC_CACHE_SHARED_HITS, "pages"), misses = metric_get(METRIC_CACHE_MISSES, "pages");
    for (int i = 1; i <= 60; i++) say(0, i);
    doors[0].reads = doors[1].reads = 0;
    answers[0] = ASK(at(workers[0]), STORE_MESSAGES, .channel_id = S("hall"), .messages.limit = 50);
    settle();
    for (int i = 1; i < 100; i++)
        answers[i] = SUBMIT(at(workers[i % 2]), STORE_MESSAGES, .channel_id = S("hall"), .messages.limit = 50);
    asking_wait(&asking);
    for (int i = 0; i < 100; i++) {
        assert_string_equal(answers[i]->json, answers[0]->json);
        assert_true(answers[i]->more);
    }
    assert_int_equal(doors[0].reads + doors[1].reads, 1);
    assert_int_equal(metric_get(METRIC_CACHE_SHARED_HITS, "pages") - hits, 99);
    assert_int_equal(metric_get(METRIC_CACHE_MISSES, "pages") - misses, 1);
}

static void what_changed_is_in_the_newest_page_on_every_worker_at_once(void **unused) {
    for (int i = 1; i <= 60; i++) say(0, i);
    pages_right(0, 50);
    settle();
    change(1, STORE_EDIT, "m58", "\"better\"");
    assert_int_equal(pages_right(0, 50) + pages_right(1, 50), 0);
    say(1, 61);
    change(0, STORE_REACTION_ADD, "m61", "+1");
    change(0, STORE_REACTION_ADD, "m58", "*");
    change(0, STORE_REACTION_ADD, "m58", "+1");
    change(1, STORE_EDIT, "m58", "\"best\"");
    change(1, STORE_REACTION_REMOVE, "m58", "*");
    assert_int_equal(pages_right(0, 50) + pages_right(1, 50), 0);
    assert_has(ASK(at(workers[1]), STORE_MESSAGES, .channel_id = S("hall")),
               "\"best\",\"reactions\":{\"+1\":[\"alice\"]}");
}

static void what_was_deleted_is_in_no_newest_page(void **unused) {
    say(0, 1);
    assert_status(SAY(at(workers[0]), "hall", "alice", "", "m2", "\"a secret\""), STORE_OK);
    change(0, STORE_REACTION_ADD, "m2", "+1");
    change(0, STORE_EDIT, "m2", "\"a secret still\"");
    pages_right(0, 50);
    settle();
    change(1, STORE_DELETE, "m2", "");
    for (int i = 0; i < 4; i++) {
        pages_right(i % 2, 50);
        assert_has_not(ASK(at(workers[i % 2]), STORE_MESSAGES, .channel_id = S("hall")), "a secret");
        settle();
    }
    assert_int_equal(pages_right(0, 50) + pages_right(1, 50), 0);
}

static void a_page_that_goes_back_further_than_the_events_is_read(void **unused) {
    for (int i = 1; i <= 30; i++) say(0, i);
    for (int i = 0; i < 100; i++) change(0, i % 2 ? STORE_REACTION_REMOVE : STORE_REACTION_ADD, "m7", "+1");
    pages_right(0, 20);
    settle();
    assert_int_equal(pages_right(0, 20), 1);
    say(0, 31);
    assert_int_equal(pages_right(0, 1), 1); /* there is no second one: must know that the first is the only one */
    say(0, 32);
    assert_int_equal(pages_right(0, 1), 0);
}

static void other_pages_are_read(void **unused) {
    for (int i = 1; i <= 5; i++) say(0, i);
    pages_right(0, 50);
    settle();
    unsigned before = doors[0].reads;
    assert_has_not(ASK(at(workers[0]), STORE_MESSAGES, .channel_id = S("hall"), .messages.before = 3), "\"m3\"");
    assert_has_not(ASK(at(workers[0]), STORE_MESSAGES, .channel_id = S("hall"), .messages.after = 3), "\"m3\"");
    assert_has(
        ASK(at(workers[0]), STORE_MESSAGES, .channel_id = S("hall"), .messages.onwards = true, .messages.limit = 1),
        "\"m1\"");
    assert_string_equal(
        ASK(at(workers[0]), STORE_MESSAGES, .channel_id = S("hall"), .messages.message_id = S("m1"))->json, "[]");
    assert_status(ASK(at(workers[0]), STORE_MESSAGES, .channel_id = S("elsewhere")), STORE_OK);
    assert_int_equal(doors[0].reads - before, 5);
}

static void an_emptied_redis_is_a_miss(void **unused) {
    say(0, 1);
    reads_right(0, 0, 0);
    free(redis_cli(port, "flushall"));
    assert_int_equal(reads_right(0, 0, 0), 1);
}

static void what_others_put_there_is_a_miss(void **unused) {
    char command[160];
    say(0, 1);
    say(0, 2);
    reads_right(0, 0, 0);
    settle();
    snprintf(command, sizeof command, "ZADD stoa:{c:hall}:e:%s 2 [\"message:new\",{\"seq\":3}]", epoch);
    answer_to(redis, command);
    assert_int_equal(reads_right(1, 0, 0), 1);
    snprintf(command, sizeof command, "SET stoa:{c:hall}:e:%s 1", epoch);
    answer_to(redis, command);
    assert_int_equal(reads_right(1, 0, 0), 1);
}

/* Like events that a primary announced before it was lost. */
static void what_is_beyond_the_head_is_not_told(void **unused) {
    struct recent_log log = hall();
    say(0, 1);
    reads_right(0, 0, 0);
    settle();
    recent_events_committed(recent, &log, 2, SLICE("[\"message:new\",{\"seq\":2}]"));
    settle();
    assert_int_equal(top_after(0), 2);
    assert_int_equal(reads_right(0, 0, 0), 0);
}

/* Rows of the new epoch are not kept as the old one's. */
static void an_epoch_that_begins_meanwhile_is_told(void **unused) {
    say(0, 1);
    doors[0].is_promoted = true;
    struct answer *answer = events_at(workers[0], 0, 0);
    settle();
    assert_status(answer, STORE_OK);
    assert_string_equal(answer->epoch, epoch);
    assert_string_equal(answer->json, events_at(log_store, 0, 0)->json);
    assert_int_equal(answer_to(redis, "EXISTS stoa:{c:hall}:e:0-before").integer, 0);
}

static void a_range_is_bounded(void **unused) {
    char *large = memory_new(RECENT_EVENT_BYTES + 3);
    snprintf(large, RECENT_EVENT_BYTES + 3, "\"%0*d\"", RECENT_EVENT_BYTES, 7);
    for (int i = 1; i <= 300; i++) say(0, i);
    assert_int_equal(reads_right(0, 290, 0), 1);
    settle();
    assert_int_equal(top_after(200), 300);
    assert_int_equal(top_after(199), 199);
    assert_status(SAY(at(workers[0]), "hall", "alice", "", "large", large), STORE_OK);
    settle();
    assert_int_equal(top_after(290), 290);
    assert_int_equal(reads_right(0, 290, 0), 1);
    free(large);
}

static void while_redis_is_away_the_log_answers(void **unused) {
    say(0, 1);
    real_kill(port);
    stage_until(!redis_is_up(redis));
    assert_int_equal(reads_right(0, 0, 0), 1);
    SAY(at(workers[0]), "hall", "alice", "", "m2", "2");
    assert_int_equal(reads_right(0, 0, 0), 1);
    assert_int_equal(pages_right(0, 50), 1);
    real_start(port);
    stage_until(redis_is_up(redis));
    assert_int_equal(reads_right(0, 0, 0), 1);
    settle();
    assert_int_equal(reads_right(1, 0, 0), 0);
}

static void whatever_happens_the_log_is_told(void **unused) {
    static const enum store_kind kinds[] = {STORE_EDIT, STORE_DELETE, STORE_REACTION_ADD, STORE_REACTION_REMOVE};
    unsigned draw = 20260101;
    int said = 0, head = 0;
    for (int i = 0; i < 400; i++) {
        draw = draw * 1103515245 + 12345;
        unsigned what = draw >> 16 & 31, which = draw >> 21;
        struct store *through = what % 3 == 2 ? log_store : workers[what % 2]; /* log_store: Redis gets nothing */
        char id[16];
        if (what < 12) {
            snprintf(id, sizeof id, "m%d", said++);
            head = (int)SAY(at(through), "hall", "alice", "", id, "\"hello\"")->seq;
        } else if (what < 16 && said > 0) {
            snprintf(id, sizeof id, "m%d", (int)(which % (unsigned)said));
            ASK(at(through), STORE_APPEND, .append.kind = kinds[what - 12],
                SAYING("hall", which & 128 ? "alice" : "bob", "", id, "\"other\""),
                .append.emoji = S(which & 64 ? "+1" : "*"));
        } else if (what == 16) {
            free(redis_cli(port, "flushall"));
        } else {
            reads_right(which % 2, head > 0 ? (int)(which / 2) % (head + 1) : 0, what % 4 == 0 ? 3 : 0);
            pages_right(which / 4 % 2, what % 8 == 0 ? 60 : what);
        }
    }
}

static void readings_end_with_the_store(void **unused) {
    say(0, 1);
    struct answer *open[4];
    for (int i = 0; i < 4; i++)
        open[i] = SUBMIT(at(workers[i % 2]), STORE_EVENTS, .channel_id = S("hall"), .events.epoch = S(epoch));
    stage_turn();
    store_close(&log_store, 1000);
    store_close(&workers[0], 1000);
    store_close(&workers[1], 1000);
    for (int i = 0; i < 4; i++) assert_true(open[i]->came);
    asking.waiting = 0;
}

static int set_up(void **state) {
    struct error error;
    char address[32];
    asking_init(&asking);
    stage_loop = asking.loop;
    log_set_level(LOG_ERROR);
    assert_int_equal(real_ports("ports", &port, 1), 1);
    free(redis_cli(port, "flushall"));
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    redis = REDIS_TO(REDIS_STANDALONE, address);
    stage_until(redis_is_up(redis));
    recent = recent_events_new(stage_loop, redis, NULL, NULL);
    log_store = store_sqlite_new(stage_loop, ":memory:", NULL, &error);
    assert_non_null(log_store);
    for (int i = 0; i < WORKERS; i++) {
        doors[i] = (struct door){.base.ops = &door_ops};
        struct store *door = &doors[i].base;
        workers[i] = store_cached_new(stage_loop, &door, redis, NULL, NULL);
    }
    ASK(at(log_store), STORE_CHANNEL_PUT, .channel_id = S("hall"));
    memcpy(epoch, ASK(at(log_store), STORE_CHANNEL, .channel_id = S("hall"))->epoch, sizeof epoch);
    return 0;
}

static void a_channel_is_in_the_part_that_the_store_says(void **state) {
    assert_int_equal(store_part_of(workers[0], SLICE("hall")), 7);
    assert_int_equal(store_part_of(workers[0], SLICE("yard")), 3);
    assert_int_equal(store_part_of(log_store, SLICE("hall")), 0);
}

static int tear_down(void **state) {
    for (int i = 0; i < WORKERS; i++) store_close(&workers[i], 1000);
    store_close(&log_store, 1000);
    recent_events_free(&recent);
    redis_free(&redis);
    asking.store = NULL;
    asking_done(&asking);
    stage_loop = NULL;
    return 0;
}

#define WITH_REDIS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_REDIS(an_empty_channel_and_a_short_one_are_not_read_again),
        WITH_REDIS(what_is_committed_joins_the_range_as_the_log_tells_it),
        WITH_REDIS(a_slow_reader_makes_no_gap),
        WITH_REDIS(growing_does_not_renew_the_time),
        WITH_REDIS(what_was_deleted_is_not_shown_again),
        WITH_REDIS(of_a_hundred_readers_of_a_cold_channel_one_reads_the_log),
        WITH_REDIS(ranges_that_were_read_at_once_do_not_end_at_once),
        WITH_REDIS(the_newest_page_of_a_short_channel_is_read_once),
        WITH_REDIS(what_changed_is_in_the_newest_page_on_every_worker_at_once),
        WITH_REDIS(what_was_deleted_is_in_no_newest_page),
        WITH_REDIS(of_a_hundred_who_open_a_channel_one_reads_it),
        WITH_REDIS(a_page_that_goes_back_further_than_the_events_is_read),
        WITH_REDIS(other_pages_are_read),
        WITH_REDIS(an_emptied_redis_is_a_miss),
        WITH_REDIS(what_others_put_there_is_a_miss),
        WITH_REDIS(what_is_beyond_the_head_is_not_told),
        WITH_REDIS(an_epoch_that_begins_meanwhile_is_told),
        WITH_REDIS(a_range_is_bounded),
        WITH_REDIS(while_redis_is_away_the_log_answers),
        WITH_REDIS(whatever_happens_the_log_is_told),
        WITH_REDIS(readings_end_with_the_store),
        WITH_REDIS(a_channel_is_in_the_part_that_the_store_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
