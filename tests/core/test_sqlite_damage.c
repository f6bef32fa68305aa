/* SPDX-License-Identifier: Apache-2.0 */
/* A SQLite file that is damaged, or not a store. */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/sqlite/check.h"
#include "store/sqlite/readers.h"
#include "store/sqlite/verify.h"
#include "store/verify.h"
#include "support/sqlite_scene.h"

static void overwrite(const char *path, off_t offset, const char *bytes, size_t len) {
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(pwrite(fd, bytes, len, offset), len);
    close(fd);
}

static void a_broken_page_is_refused_with_what_to_do(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 300);
    scene_close(scene);
    int64_t page = number_of(scene, "SELECT rootpage FROM sqlite_schema WHERE name = 'messages'");
    overwrite(scene->path, (page - 1) * 4096, "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f", 8);
    expect_refused(scene, "restore a backup");
}

/* Flips one bit at each place in the database that holds the text; returns how many there were. */
static int flip_bits(struct scene *scene, const char *text) {
    static char bytes[1 << 20];
    int fd = open(scene->path, O_RDWR), found = 0;
    ssize_t len = read(fd, bytes, sizeof(bytes));
    assert_true(len > 0 && len < (ssize_t)sizeof(bytes));
    for (char *at = bytes; (at = memmem(at, (size_t)(bytes + len - at), text, strlen(text))); at++, found++) {
        char flipped = (char)(*at ^ 1);
        assert_int_equal(pwrite(fd, &flipped, 1, at - bytes), 1);
    }
    close(fd);
    return found;
}

static void a_flipped_bit_in_a_text_is_never_handed_out(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 2);
    SAY(&scene->asking, "hall", "bob", "b", "b", "\"pay 1000\"");
    scene_close(scene);
    assert_int_equal(flip_bits(scene, "pay 1000"), 1);
    scene_open(scene);
    assert_status(ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall")), STORE_UNAVAILABLE);
    assert_status(ASK(&scene->asking, STORE_MESSAGES, .channel_id = S("hall")), STORE_UNAVAILABLE);
    assert_status(ASK(&scene->asking, STORE_MESSAGE, .channel_id = S("hall"), .messages.message_id = S("b")),
                  STORE_UNAVAILABLE);
    assert_status(SAY(&scene->asking, "hall", "bob", "b", "b2", "\"pay 1000\""), STORE_UNAVAILABLE);
    /* Undamaged messages can still be read. */
    assert_status(ASK(&scene->asking, STORE_MESSAGE, .channel_id = S("hall"), .messages.message_id = S("m1")),
                  STORE_OK);
    assert_int_equal(say(scene, 4, 4)->seq, 4);
}

/* Alone or in a batch: followers wait for the next number. */
static void a_refused_change_of_a_damaged_message_takes_no_number(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    make_hall(scene);
    say(scene, 1, 2);
    SAY(asking, "hall", "bob", "b", "b", "\"pay 1000\"");
    scene_close(scene);
    flip_bits(scene, "pay 1000");
    scene_open(scene);
    const enum store_kind kinds[] = {STORE_REACTION_ADD, STORE_EDIT, STORE_DELETE};
    for (int i = 0; i < 6; i++) {
        char id[16];
        snprintf(id, sizeof id, "next%d", i);
        struct answer *change = SUBMIT(asking, STORE_APPEND, SAYING("hall", "bob", "", "b", "2"),
                                       .append.kind = kinds[i % 3], .append.emoji = S("+1"));
        if (i < 3) asking_wait(asking);
        struct answer *next = SUBMIT(asking, STORE_APPEND, SAYING("hall", "alice", "", id, "1"));
        asking_wait(asking);
        assert_status(change, STORE_UNAVAILABLE);
        assert_status(next, STORE_OK);
        assert_int_equal(next->seq, 4 + i);
    }
    struct answer *after = ASK(asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 3);
    assert_status(after, STORE_OK);
    assert_has(after, "next5");
    scene_close(scene);
    assert_int_equal(number_of(scene, "SELECT count(*) FROM changes"), 0);
}

static void what_was_said_before_an_edit_is_guarded_and_deleted_too(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    SAY(&scene->asking, "hall", "bob", "b", "m1", "\"pay 1000\"");
    ASK(&scene->asking, STORE_APPEND, SAYING("hall", "bob", "e", "m1", "\"pay 2000\""), .append.kind = STORE_EDIT);
    scene_close(scene);
    assert_int_equal(flip_bits(scene, "pay 1000"), 1);
    scene_open(scene);
    assert_status(ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall")), STORE_UNAVAILABLE);
    scene_close(scene);
    flip_bits(scene, "qay 1000");
    scene_open(scene);
    assert_has(ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall")), "pay 1000");
    ASK(&scene->asking, STORE_APPEND, SAYING("hall", "bob", "d", "m1", ""), .append.kind = STORE_DELETE);
    scene_close(scene);
    assert_int_equal(number_of(scene, "SELECT count(*) FROM messages WHERE said IS NOT NULL OR content <> '\"\"'"), 0);
    assert_int_equal(number_of(scene, "SELECT count(*) FROM changes WHERE body LIKE '%pay%'"), 0);
}

static void what_is_no_database_is_refused(void **state) {
    struct scene *scene = *state;
    char garbage[8192];
    memset(garbage, 'x', sizeof(garbage));
    overwrite(scene->path, 0, garbage, sizeof(garbage));
    expect_refused(scene, "not a database");
}

static void a_newer_schema_is_refused(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    scene_close(scene);
    execute(scene, "PRAGMA user_version = 99");
    expect_refused(scene, "newer than this server");
}

static void a_second_server_is_refused(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    char holder[64];
    snprintf(holder, sizeof holder, "another server has it open: process %d", (int)getpid());
    expect_refused(scene, holder);
    say(scene, 1, 1);
}

static void whoever_is_taken_over_writes_no_more(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 2);
    unlink(beside(scene, ".incarnation"));
    struct store *first = scene->asking.store;
    scene_open(scene);
    struct store *second = scene->asking.store;
    scene->asking.store = first;
    assert_status(SAY(&scene->asking, "hall", "alice", "m3", "m3", "\"said\""), STORE_UNAVAILABLE);
    assert_status(ASK(&scene->asking, STORE_PROBE, ), STORE_UNAVAILABLE);
    scene_close(scene);
    scene->asking.store = second;
    struct answer *next = say(scene, 4, 4);
    assert_int_equal(next->seq, 3);
    assert_true(strncmp(next->epoch, "2-", 2) == 0);
}

static void the_file_is_read_by_others_while_it_is_served(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    for (int i = 1; i <= 3; i++) {
        say(scene, i, i);
        assert_int_equal(number_of(scene, "SELECT last_seq FROM heads"), i);
    }
    char copy[192];
    snprintf(copy, sizeof copy, "VACUUM INTO '%s'", beside(scene, ".backup"));
    execute(scene, copy);
    say(scene, 4, 4);
    scene_close(scene);
    assert_int_equal(rename(beside(scene, ".backup"), scene->path), 0);
    assert_int_equal(number_of(scene, "SELECT max(message_seq) FROM messages"), 3);
}

/* ---- a file too large to be checked completely at the start */

/* Above that limit: 5,000 pages. */
static void make_large(struct scene *scene) {
    make_hall(scene);
    scene_close(scene);
    execute(scene,
            "INSERT INTO messages (channel_id, message_seq, epoch, message_id, user_id, created_ms, content) "
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
            "SELECT 'hall', i, 1, printf('%09d', i), 'alice', i, printf('\"%3000d\"', i) FROM n");
}

static bool finds_damage(struct scene *scene) {
    for (int ms = 0; ms < ANSWER_DEADLINE_MS; ms += 5) {
        if (store_is_damaged(scene->asking.store)) return true;
        usleep(5000); /* between two polls */
    }
    return false;
}

static void damage_in_a_large_file_is_found_though_nobody_reads_it(void **state) {
    struct scene *scene = *state;
    make_large(scene);
    execute(scene, "UPDATE messages SET checksum = 1 WHERE message_seq = 2500");
    setenv("STOA_FAULT", "check_at_once", 1);
    scene_open(scene);
    unsetenv("STOA_FAULT");
    assert_true(finds_damage(scene));
    assert_int_equal(say(scene, 5001, 5001)->seq, 5001);
}

/* A check stopped halfway reports nothing about what it has not read. */
struct counted {
    const char *word;
    int *times;
};

static void count(void *owner, struct slice line) {
    const struct counted *counted = owner;
    *counted->times += memmem(line.ptr, line.len, counted->word, strlen(counted->word)) != NULL;
}

static void a_look_that_is_ended_finds_nothing_wrong(void **state) {
    struct scene *scene = *state;
    int corrupt = 0;
    make_large(scene);
    log_set_sink(count, &(struct counted){"store.corrupt", &corrupt});
    setenv("STOA_FAULT", "check_at_once", 1);
    for (int i = 0; i < 20; i++) {
        scene_open(scene);
        usleep((unsigned)i * 1000); /* at any point of the check */
        scene_close(scene);
    }
    unsetenv("STOA_FAULT");
    log_set_sink(NULL, NULL);
    assert_int_equal(corrupt, 0);
}

static bool stop_at_once(void *owner, const struct verify *verify) {
    return false;
}

static void ignore(void *owner, const struct verify_finding *finding) {}

static void a_look_ends_between_two_channels_in_which_nothing_was_said(void **state) {
    struct scene *scene = *state;
    struct verify verify = {.found = ignore, .moved = stop_at_once, .in_slices = true, .place = ""};
    struct error error;
    char id[16];
    scene_open(scene);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "c%d", i);
        assert_status(ASK(&scene->asking, STORE_CHANNEL_PUT, .channel_id = S(id)), STORE_OK);
    }
    assert_false(sqlite_verify(scene->path, &verify, &error));
    assert_int_equal(verify.channels, 1);
}

#ifdef STOA_FAULTS
static void a_look_that_is_stuck_keeps_no_store_from_ending(void **state) {
    struct scene *scene = *state;
    int stuck = 0;
    struct counted counted = {"store.check_stuck", &stuck};
    log_set_sink(count, &counted);
    setenv("STOA_FAULT", "stuck_check", 1);
    scene_open(scene);
    store_close(&scene->asking.store, 0);
    unsetenv("STOA_FAULT");
    log_set_sink(NULL, NULL);
    assert_int_equal(stuck, 1);
    scene_open(scene);
    assert_status(ASK(&scene->asking, STORE_CHANNEL_PUT, .channel_id = S("hall")), STORE_OK);
}
#endif

/* While the check reads, no pause is possible: it counts as a reader. */
static struct {
    struct sqlite_readers *readers;
    atomic_uint readings, unseen;
} looked;

static int look_begins_to_read(unsigned type, void *owner, void *statement, void *sql) {
    atomic_fetch_add(&looked.readings, 1);
    if (sqlite_readers_pause(looked.readers, 0)) {
        atomic_fetch_add(&looked.unseen, 1);
        sqlite_readers_resume(looked.readers);
    }
    return 0;
}

static int connected(sqlite3 *handle, char **error_r, const struct sqlite3_api_routines *routines) {
    return sqlite3_trace_v2(handle, SQLITE_TRACE_STMT, look_begins_to_read, NULL);
}

static void a_look_gives_way_to_whoever_asks_for_a_pause(void **state) {
    struct scene *scene = *state;
    make_large(scene);
    looked.readers = sqlite_readers_new();
    sqlite3_auto_extension((void (*)(void))connected);
    setenv("STOA_FAULT", "check_at_once", 1);
    struct sqlite_check *check = sqlite_check_new(scene->path, looked.readers);
    unsetenv("STOA_FAULT");
    for (int ms = 0; ms < ANSWER_DEADLINE_MS && atomic_load(&looked.readings) == 0; ms++) usleep(1000);
    assert_true(atomic_load(&looked.readings) > 0);
    assert_true(sqlite_readers_pause(looked.readers, ANSWER_DEADLINE_MS));
    sqlite_readers_resume(looked.readers);
    assert_true(sqlite_check_free(&check, ANSWER_DEADLINE_MS));
    sqlite3_cancel_auto_extension((void (*)(void))connected);
    sqlite_readers_unref(&looked.readers);
    assert_int_equal(atomic_load(&looked.unseen), 0);
}

static bool count_slice(void *owner, const struct verify *verify) {
    *(unsigned *)owner += 1;
    return true;
}

static void a_look_reads_little_at_once_however_long_the_texts_are(void **state) {
    struct scene *scene = *state;
    unsigned slices = 0;
    struct verify verify = {.found = ignore, .moved = count_slice, .owner = &slices, .in_slices = true, .place = ""};
    struct error error;
    make_large(scene); /* 15 MB, three times as many messages as one slice */
    execute(scene, "UPDATE messages SET checksum = 1 WHERE message_seq = 2500");
    assert_true(sqlite_verify(scene->path, &verify, &error));
    assert_int_equal(verify.events, 5000);
    assert_int_equal(verify.findings, 1);
    assert_in_range(slices, 15, 30);
}

static void what_is_read_damaged_is_known_from_then_on(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 2);
    scene_close(scene);
    execute(scene, "UPDATE messages SET checksum = 1 WHERE message_seq = 1");
    scene_open(scene);
    assert_false(store_is_damaged(scene->asking.store));
    assert_status(ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall")), STORE_UNAVAILABLE);
    assert_true(store_is_damaged(scene->asking.store));
}

/* Bytes that this process has read from the system. */
static long bytes_read(void) {
    char text[512] = "";
    int fd = open("/proc/self/io", O_RDONLY);
    assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return strtol(text + strlen("rchar: "), NULL, 10);
}

static void a_start_reads_no_more_however_large_the_file_is(void **state) {
    struct scene *scene = *state;
    make_large(scene);
    struct stat file;
    assert_int_equal(stat(scene->path, &file), 0);
    assert_true(file.st_size > 20 << 20);
    long before = bytes_read();
    scene_open(scene);
    assert_int_equal(say(scene, 5001, 5001)->seq, 5001);
    assert_in_range(bytes_read() - before, 1, 1 << 20);
}

static void a_large_file_with_a_broken_tree_is_refused(void **state) {
    struct scene *scene = *state;
    make_large(scene);
    int64_t page = number_of(scene, "SELECT rootpage FROM sqlite_schema WHERE name = 'messages_id'");
    overwrite(scene->path, (page - 1) * 4096, "\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f", 8);
    expect_refused(scene, "restore a backup");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_broken_page_is_refused_with_what_to_do),
        SCENE_TEST(a_flipped_bit_in_a_text_is_never_handed_out),
        SCENE_TEST(a_refused_change_of_a_damaged_message_takes_no_number),
        SCENE_TEST(what_was_said_before_an_edit_is_guarded_and_deleted_too),
        SCENE_TEST(what_is_no_database_is_refused),
        SCENE_TEST(a_newer_schema_is_refused),
        SCENE_TEST(a_second_server_is_refused),
        SCENE_TEST(damage_in_a_large_file_is_found_though_nobody_reads_it),
        SCENE_TEST(a_look_that_is_ended_finds_nothing_wrong),
        SCENE_TEST(a_look_ends_between_two_channels_in_which_nothing_was_said),
#ifdef STOA_FAULTS
        SCENE_TEST(a_look_that_is_stuck_keeps_no_store_from_ending),
#endif
        SCENE_TEST(a_look_gives_way_to_whoever_asks_for_a_pause),
        SCENE_TEST(a_look_reads_little_at_once_however_long_the_texts_are),
        SCENE_TEST(what_is_read_damaged_is_known_from_then_on),
        SCENE_TEST(a_start_reads_no_more_however_large_the_file_is),
        SCENE_TEST(a_large_file_with_a_broken_tree_is_refused),
        SCENE_TEST(whoever_is_taken_over_writes_no_more),
        SCENE_TEST(the_file_is_read_by_others_while_it_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
