/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a SQLite store during writes, and restoring it over another one. */
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite/backup.h"
#include "store/verify.h"
#include "support/sqlite_scene.h"

enum { ROWS = 24000, STEPS_MAX = 40 };

/* Writes after each step of a copy. */
struct writer {
    struct scene *scene;
    unsigned steps;
    int64_t pages;
    bool went_back;
};

static bool write_meanwhile(void *owner, int64_t pages, int64_t of) {
    struct writer *writer = owner;
    char sql[160];
    if (pages < writer->pages) writer->went_back = true;
    writer->pages = pages;
    snprintf(sql, sizeof sql, "INSERT INTO users VALUES ('u%u', hex(randomblob(3000)), NULL, NULL)", writer->steps);
    execute(writer->scene, sql);
    return ++writer->steps < STEPS_MAX;
}

static void touch(const char *path) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static int64_t count(const char *path, const char *sql) {
    struct scene at = {0};
    snprintf(at.path, sizeof at.path, "%s", path);
    return number_of(&at, sql);
}

static void a_copy_is_of_one_moment_however_much_is_written_meanwhile(void **state) {
    struct scene *scene = *state;
    struct writer writer = {.scene = scene};
    struct error error = {""};
    char sql[400];
    make_hall(scene);
    snprintf(sql, sizeof sql,
             "INSERT INTO messages (channel_id, message_seq, epoch, message_id, user_id, created_ms, content) WITH "
             "RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT 'hall', i, 1, 'm' || i, "
             "'alice', 0, '\"' || hex(zeroblob(400)) || '\"' FROM n",
             ROWS);
    execute(scene, sql);
    const char *copy = beside(scene, ".backup");
    touch(copy);
    if (!sqlite_file_copy(scene->path, copy, &(struct sqlite_file_watcher){write_meanwhile, &writer}, &error))
        fail_msg("%s", error.text);
    assert_true(writer.steps > 2);
    assert_false(writer.went_back);
    assert_int_equal(count(copy, "SELECT count(*) FROM messages"), ROWS);
    assert_int_equal(count(copy, "SELECT count(*) FROM users"), 0);
    assert_int_equal(number_of(scene, "SELECT count(*) FROM users"), writer.steps);
    /* One file that needs no others. */
    struct stat file;
    assert_int_equal(stat(beside(scene, ".backup-wal"), &file), -1);
}

static void nothing(void *owner, const struct verify_finding *finding) {}

static bool go_on(void *owner, const struct verify *verify) {
    return true;
}

static bool copied(void *owner, int64_t pages, int64_t of) {
    return true;
}

/* Epoch numbers used after the backup was made are not given out again. */
static void a_restored_store_begins_an_epoch_above_all_others(void **state) {
    struct scene *scene = *state;
    struct error error = {""};
    struct sqlite_restored restored;
    char epoch[STORE_EPOCH_MAX];
    struct verify verify = {.found = nothing, .moved = go_on, .place = ""};
    struct sqlite_backup how = {.watcher = {copied, NULL}, .verify = &verify};
    make_hall(scene);
    say(scene, 1, 3);
    scene_close(scene);
    assert_true(sqlite_backup(scene->path, beside(scene, ".backup"), &how, &error));
    bool may_give = geteuid() == 0; /* root restores another user's store */
    if (may_give) assert_int_equal(chown(scene->path, 65534, 65534), 0);
    for (int i = 0; i < 3; i++) assert_true(sqlite_begin_epoch(scene->path, epoch, &error));
    assert_true(strncmp(epoch, "4-", 2) == 0);
    if (!sqlite_restore(scene->path, beside(scene, ".backup"), &how, &restored, &error)) fail_msg("%s", error.text);
    assert_true(strncmp(restored.epoch, "5-", 2) == 0);
    const char *const files[] = {"", ".incarnation"};
    for (size_t i = 0; i < 2; i++) {
        struct stat file;
        assert_int_equal(stat(beside(scene, files[i]), &file), 0);
        assert_int_equal(file.st_mode & 0777, 0600);
        assert_int_equal(file.st_uid, may_give ? 65534 : geteuid());
    }
    scene_open(scene);
    assert_string_equal(say(scene, 4, 4)->epoch, restored.epoch);
    scene_close(scene);
    assert_int_equal(count(restored.kept, "SELECT max(number) FROM epochs"), 4);
    unlink(restored.kept);
    free(restored.kept);
}

/* Commits that are only in the WAL are kept too. */
static void a_restore_keeps_the_log_of_a_killed_server(void **state) {
    struct scene *scene = *state;
    struct error error = {""};
    struct sqlite_restored restored;
    struct verify verify = {.found = nothing, .moved = go_on, .place = ""};
    struct sqlite_backup how = {.watcher = {copied, NULL}, .verify = &verify};
    make_hall(scene);
    say(scene, 1, 3);
    assert_true(sqlite_backup(scene->path, beside(scene, ".backup"), &how, &error));
    say(scene, 4, 6);
    /* The files as a kill leaves them. */
    const char *const suffixes[] = {"", "-wal"};
    char command[400];
    for (size_t i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "cp %s %s", beside(scene, suffixes[i]), beside(scene, ".killed"));
        assert_int_equal(system(command), 0);
        assert_int_equal(rename(beside(scene, ".killed"), beside(scene, i ? ".killed-wal" : ".killed-db")), 0);
    }
    scene_close(scene);
    assert_int_equal(rename(beside(scene, ".killed-db"), scene->path), 0);
    assert_int_equal(rename(beside(scene, ".killed-wal"), beside(scene, "-wal")), 0);
    if (!sqlite_restore(scene->path, beside(scene, ".backup"), &how, &restored, &error)) fail_msg("%s", error.text);
    assert_int_equal(count(restored.kept, "SELECT count(*) FROM messages"), 6);
    assert_int_equal(count(scene->path, "SELECT count(*) FROM messages"), 3);
    unlink(restored.kept);
    free(restored.kept);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_copy_is_of_one_moment_however_much_is_written_meanwhile),
        SCENE_TEST(a_restored_store_begins_an_epoch_above_all_others),
        SCENE_TEST(a_restore_keeps_the_log_of_a_killed_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
