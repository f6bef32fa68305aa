/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite file after a kill, a power cut, a full disk, a restored backup and disk damage. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/metrics.h"
#include "store/sqlite/store_sqlite.h"
#include "support/sqlite_scene.h"

enum { CHANNELS = 3, IN_FLIGHT = 32 };

/* ---- a process that is killed under load */

/* An acknowledgement; the child writes it to the parent at once. */
struct ack {
    int channel, message;
    int64_t seq;
};

struct load {
    struct loop *loop;
    struct store *store;
    int pipe, next;
};

static void send_next(struct load *load);

static void acknowledged(struct store_request *request) {
    struct load *load = request->owner;
    struct ack ack = {request->channel_id.ptr[1] - '0', atoi(request->append.client_id.ptr + 1), request->at.seq};
    if (request->status != STORE_OK || write(load->pipe, &ack, sizeof(ack)) != sizeof(ack)) _exit(1);
    send_next(load);
}

static void send_next(struct load *load) {
    char text[24];
    struct store_request *request = store_request_new(STORE_APPEND, acknowledged, load);
    snprintf(text, sizeof(text), "c%d", load->next % CHANNELS);
    request->channel_id = store_request_copy(request, S(text));
    int len = snprintf(text, sizeof(text), "m%d", load->next++);
    /* Includes the NUL, for atoi. */
    request->append.message_id = store_request_copy(request, (struct slice){text, (size_t)len + 1});
    request->append.message_id.len = (size_t)len;
    request->append.client_id = request->append.message_id;
    request->user_id = SLICE("alice");
    request->append.content = SLICE("\"under load\"");
    store_submit(load->store, &request);
}

static void made(struct store_request *request) {
    if (request->status != STORE_OK) _exit(1);
}

static void run_load(const char *path, int pipe, const char *powercut, const char *fault) {
    if (powercut) setenv("STOA_POWERCUT", powercut, 1);
    if (fault) setenv("STOA_FAULT", fault, 1);
    struct load load = {loop_new(), NULL, pipe, 0};
    load.store = store_sqlite_new(load.loop, path, NULL, NULL);
    if (!load.store) _exit(1);
    for (int i = 0; i < CHANNELS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "c%d", i);
        struct store_request *request = store_request_new(STORE_CHANNEL_PUT, made, NULL);
        request->channel_id = store_request_copy(request, S(id));
        store_submit(load.store, &request);
    }
    for (int i = 0; i < IN_FLIGHT; i++) send_next(&load);
    loop_run(load.loop);
    _exit(1);
}

/* Collects acknowledgements until `wanted` have come, kills the process, then collects those still in the pipe. */
static unsigned load_and_kill(struct scene *scene, const char *powercut, const char *fault, struct ack *acks,
                              unsigned wanted, unsigned max) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        run_load(scene->path, ends[1], powercut, fault);
    }
    close(ends[1]);
    unsigned count = 0;
    while (count < max && read(ends[0], &acks[count], sizeof(*acks)) == sizeof(*acks))
        if (++count == wanted) kill(child, SIGKILL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    close(ends[0]);
    assert_true(count >= wanted && count < max);
    return count;
}

/* Counts the acknowledged messages that are not where their acknowledgement said. */
static unsigned count_lost(struct scene *scene, const struct ack *acks, unsigned count) {
    sqlite3 *handle;
    sqlite3_stmt *row = NULL;
    unsigned lost = 0;
    assert_int_equal(sqlite3_open_v2(scene->path, &handle, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    const char *sql =
        "SELECT 1 FROM events JOIN client_ids USING (channel_id, seq) WHERE channel_id = ?1 AND seq = ?2 AND client_id "
        "= ?3";
    /* A database that has lost its tables has lost everything. */
    if (sqlite3_prepare_v2(handle, sql, -1, &row, NULL) != SQLITE_OK) lost = count;
    for (unsigned i = 0; row && i < count; i++) {
        char channel[16], client[16];
        snprintf(channel, sizeof(channel), "c%d", acks[i].channel);
        snprintf(client, sizeof(client), "m%d", acks[i].message);
        sqlite3_bind_text(row, 1, channel, -1, SQLITE_STATIC);
        sqlite3_bind_int64(row, 2, acks[i].seq);
        sqlite3_bind_text(row, 3, client, -1, SQLITE_STATIC);
        if (sqlite3_step(row) != SQLITE_ROW) lost++;
        sqlite3_reset(row);
    }
    sqlite3_finalize(row);
    sqlite3_close(handle);
    return lost;
}

static void expect_sound_log(struct scene *scene) {
    assert_int_equal(number_of(scene,
                               "SELECT count(*) FROM (SELECT h.channel_id FROM heads h LEFT JOIN events e USING "
                               "(channel_id) GROUP BY h.channel_id HAVING count(e.seq) <> h.last_seq OR "
                               "coalesce(max(e.seq), 0) <> h.last_seq)"),
                     0);
    assert_int_equal(
        number_of(scene, "SELECT (SELECT count(*) FROM events) - count(DISTINCT client_id) FROM client_ids"), 0);
    assert_int_equal(number_of(scene, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
}

enum { ACKS_WANTED = 2000, ACKS_MAX = 40000 };

static void acknowledged_events_survive_a_kill_and_seq_is_gapless_over_it(void **state) {
    struct scene *scene = *state;
    struct ack *acks = NEW_ARRAY(struct ack, ACKS_MAX);
    unsigned count = load_and_kill(scene, NULL, NULL, acks, ACKS_WANTED, ACKS_MAX);
    assert_int_equal(count_lost(scene, acks, count), 0);
    expect_sound_log(scene);
    free(acks);
    /* A kill is not a restore: numbers continue in the same epoch, and a retry gets the first answer. */
    scene_open(scene);
    struct answer *head = ASK(&scene->asking, STORE_CHANNEL, .channel_id = S("c0"));
    assert_true(strncmp(head->epoch, "1-", 2) == 0);
    struct answer *next = SAY(&scene->asking, "c0", "alice", "after", "after", "1");
    assert_int_equal(next->seq, head->seq + 1);
    struct answer *retry = SAY(&scene->asking, "c0", "alice", "m0", "other", "\"under load\"");
    assert_true(retry->duplicate);
    assert_string_equal(retry->message_id, "m0");
}

#ifdef STOA_FAULTS
static void acknowledged_events_survive_a_power_cut(void **state) {
    struct scene *scene = *state;
    struct ack *acks = NEW_ARRAY(struct ack, ACKS_MAX);
    unsigned count = load_and_kill(scene, "1", NULL, acks, ACKS_WANTED, ACKS_MAX);
    assert_int_equal(count_lost(scene, acks, count), 0);
    expect_sound_log(scene);
    free(acks);
}

static void a_power_cut_without_flushes_is_seen_to_lose(void **state) {
    struct scene *scene = *state;
    struct ack *acks = NEW_ARRAY(struct ack, ACKS_MAX);
    unsigned count = load_and_kill(scene, "1", "sync_off", acks, ACKS_WANTED, ACKS_MAX);
    assert_true(count_lost(scene, acks, count) > 0);
    free(acks);
}

static void acknowledging_before_the_commit_is_seen_to_lose(void **state) {
    struct scene *scene = *state;
    struct ack *acks = NEW_ARRAY(struct ack, ACKS_MAX);
    unsigned count = load_and_kill(scene, NULL, "ack_before_commit", acks, 200, ACKS_MAX);
    assert_true(count_lost(scene, acks, count) > 0);
    free(acks);
}

static void deduplication_turned_off_is_seen(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    setenv("STOA_FAULT", "dedupe_off", 1);
    SAY(&scene->asking, "hall", "alice", "c1", "m1", "1");
    struct answer *again = SAY(&scene->asking, "hall", "alice", "c1", "m2", "1");
    unsetenv("STOA_FAULT");
    assert_int_equal(again->seq, 2);
}
#endif

/* ---- backups and broken files */

static void the_epoch_stays_over_a_restart(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    struct answer *before = say(scene, 1, 2);
    scene_close(scene);
    scene_open(scene);
    assert_string_equal(say(scene, 3, 3)->epoch, before->epoch);
}

/* A client at 8 is told to discard everything above 5; a client at 4 simply continues. */
static void expect_fork_at_5(struct scene *scene, const char *old_epoch) {
    struct answer *next = say(scene, 60, 60);
    assert_int_equal(next->seq, 6);
    assert_true(strncmp(next->epoch, "2-", 2) == 0);
    struct answer *ahead =
        ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 8, .events.epoch = S(old_epoch));
    assert_int_equal(ahead->fork, 5);
    assert_has(ahead, "\"id\":\"m60\"");
    assert_has_not(ahead, "\"seq\":5,");
    struct answer *at_six =
        ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 6, .events.epoch = S(old_epoch));
    assert_int_equal(at_six->fork, 5);
    struct answer *behind =
        ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 4, .events.epoch = S(old_epoch));
    assert_int_equal(behind->fork, -1);
    assert_has(behind, "\"seq\":5,");
    assert_has(behind, old_epoch);
    assert_has(behind, next->epoch);
    struct answer *newer =
        ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 5, .events.epoch = S(next->epoch));
    assert_int_equal(newer->fork, -1);
}

static void copy_file(const char *from, const char *to) {
    char bytes[4096];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(in >= 0 && out >= 0);
    for (ssize_t len; (len = read(in, bytes, sizeof(bytes))) > 0;)
        assert_int_equal(write(out, bytes, (size_t)len), len);
    close(in);
    close(out);
}

/* ---- the log went back: 8 were acknowledged, then the file with 5 was restored, in each way that people copy files */

enum { KEPT = 3 };
static const char *const kept[KEPT] = {"", "-wal", ".incarnation"};

/* Copies the existing files, like cp. */
static void copy_files(struct scene *scene, const char *from, const char *to, size_t len) {
    for (size_t i = 0; i < len; i++) {
        char source[32], target[32];
        snprintf(source, sizeof source, "%s%s", from, kept[i]);
        snprintf(target, sizeof target, "%s%s", to, kept[i]);
        if (access(beside(scene, source), F_OK) == 0) copy_file(beside(scene, source), beside(scene, target));
    }
}

static void the_database_copied_back_begins_an_epoch(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 5);
    scene_close(scene);
    copy_files(scene, "", ".backup", 1);
    scene_open(scene);
    struct answer *lost = say(scene, 6, 8);
    scene_close(scene);
    copy_files(scene, ".backup", "", 1);
    scene_open(scene);
    expect_fork_at_5(scene, lost->epoch);
}

static void the_database_and_its_log_copied_back_begin_an_epoch(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 5);
    copy_files(scene, "", ".backup", 2);
    struct answer *lost = say(scene, 6, 8);
    scene_close(scene);
    copy_files(scene, ".backup", "", 2);
    scene_open(scene);
    expect_fork_at_5(scene, lost->epoch);
}

/* As if it was written an hour ago. */
static void age_sidecar(const char *path) {
    char text[128] = "";
    long long commits, written_ms;
    char run[32];
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    assert_int_equal(sscanf(text, "%22s %lld %lld", run, &commits, &written_ms), 3);
    rewind(file);
    fprintf(file, "%s %020lld %020lld\n", run, commits, written_ms - 3600000);
    fclose(file);
}

static void the_whole_folder_copied_back_begins_an_epoch(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 5);
    copy_files(scene, "", ".backup", KEPT);
    age_sidecar(beside(scene, ".backup.incarnation"));
    struct answer *lost = say(scene, 6, 8);
    scene_close(scene);
    copy_files(scene, ".backup", "", KEPT);
    scene_open(scene);
    expect_fork_at_5(scene, lost->epoch);
}

/* With new inodes, as mv and rsync create them. */
static void the_whole_folder_moved_back_begins_an_epoch(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 5);
    scene_close(scene);
    copy_files(scene, "", ".backup", KEPT);
    age_sidecar(beside(scene, ".backup.incarnation"));
    scene_open(scene);
    struct answer *lost = say(scene, 6, 8);
    scene_close(scene);
    assert_int_equal(rename(beside(scene, ".backup"), beside(scene, "")), 0);
    assert_int_equal(rename(beside(scene, ".backup.incarnation"), beside(scene, ".incarnation")), 0);
    scene_open(scene);
    expect_fork_at_5(scene, lost->epoch);
}

static void what_sqlite3_backed_up_while_it_was_served_begins_an_epoch(void **state) {
    struct scene *scene = *state;
    sqlite3 *from, *to;
    make_hall(scene);
    say(scene, 1, 5);
    assert_int_equal(sqlite3_open_v2(scene->path, &from, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_open(beside(scene, ".backup"), &to), SQLITE_OK);
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    assert_int_equal(sqlite3_backup_step(backup, -1), SQLITE_DONE);
    assert_int_equal(sqlite3_backup_finish(backup), SQLITE_OK);
    sqlite3_close(to);
    sqlite3_close(from);
    struct answer *lost = say(scene, 6, 8);
    scene_close(scene);
    copy_files(scene, ".backup", "", 1);
    scene_open(scene);
    expect_fork_at_5(scene, lost->epoch);
}

/* A server was killed and its WAL stayed, then only the database was copied back. A checkpoint happened between the
 * copy and the WAL.
 */
static void a_database_beside_a_later_ones_log_is_refused_unchanged(void **state) {
    enum { TEXT_LEN = 300000 };
    static char text[TEXT_LEN + 3];
    struct scene *scene = *state;
    struct stat before, after;
    memset(text, 'x', sizeof text - 1);
    text[0] = text[TEXT_LEN + 1] = '"';
    make_hall(scene);
    say(scene, 1, 5);
    scene_close(scene);
    copy_files(scene, "", ".backup", 1);
    assert_int_equal(stat(beside(scene, ".backup"), &before), 0);
    scene_open(scene);
    after = before;
    for (int i = 6; after.st_size == before.st_size && i < 400; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        assert_status(SAY(&scene->asking, "hall", "alice", id, id, text), STORE_OK);
        assert_int_equal(stat(scene->path, &after), 0);
    }
    assert_true(after.st_size > before.st_size);
    say(scene, 500, 501);
    copy_file(beside(scene, "-wal"), beside(scene, ".backup-wal"));
    scene_close(scene);
    copy_files(scene, ".backup", "", 2);
    expect_refused(scene, "is older than the log beside it");
    assert_int_equal(stat(scene->path, &after), 0);
    assert_int_equal(after.st_size, before.st_size);
    /* Without the WAL the file is usable, in a new epoch. */
    unlink(beside(scene, "-wal"));
    unlink(beside(scene, "-shm"));
    scene_open(scene);
    struct answer *next = say(scene, 60, 60);
    assert_int_equal(next->seq, 6);
    assert_true(strncmp(next->epoch, "2-", 2) == 0);
}

static void a_copy_that_was_never_served_is_no_continuation_either(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 5);
    scene_close(scene);
    execute(scene, "UPDATE lineage SET run = ''");
    unlink(beside(scene, ".incarnation"));
    scene_open(scene);
    assert_true(strncmp(say(scene, 6, 6)->epoch, "2-", 2) == 0);
}

static void a_lost_sidecar_costs_an_epoch_and_nobody_a_reset(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    struct answer *before = say(scene, 1, 3);
    scene_close(scene);
    unlink(beside(scene, ".incarnation"));
    scene_open(scene);
    struct answer *events =
        ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 3, .events.epoch = S(before->epoch));
    assert_true(strncmp(events->epoch, "2-", 2) == 0);
    assert_int_equal(events->fork, -1);
}

static void a_log_that_lost_its_end_is_never_silent(void **state) {
    struct scene *scene = *state;
    struct ack *acks = NEW_ARRAY(struct ack, ACKS_MAX);
    load_and_kill(scene, NULL, NULL, acks, 300, ACKS_MAX);
    free(acks);
    struct stat wal;
    assert_int_equal(stat(beside(scene, "-wal"), &wal), 0);
    assert_int_equal(truncate(beside(scene, "-wal"), wal.st_size * 3 / 4), 0);
    scene_open(scene);
    struct answer *channel = ASK(&scene->asking, STORE_CHANNEL, .channel_id = S("c0"));
    assert_status(channel, STORE_OK);
    assert_true(strncmp(channel->epoch, "2-", 2) == 0);
    scene_close(scene);
    expect_sound_log(scene);
}

/* Numbers set the order, not the time. */
static void a_clock_that_went_back_reorders_nothing(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 9);
    scene_close(scene);
    execute(scene, "UPDATE messages SET created_ms = created_ms - message_seq * 60000");
    scene_open(scene);
    struct answer *answers[] = {
        ASK(&scene->asking, STORE_MESSAGES, .channel_id = S("hall"), .messages.limit = 4),
        ASK(&scene->asking, STORE_MESSAGES, .channel_id = S("hall"), .messages.before = 10, .messages.limit = 4),
        ASK(&scene->asking, STORE_MESSAGES, .channel_id = S("hall"), .messages.after = 5, .messages.limit = 4),
        ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall"), .events.seq = 5)};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const char *at = answers[i]->json;
        for (int seq = 6; seq <= 9; seq++) {
            char number[32];
            snprintf(number, sizeof number, "\"messageSeq\":%d", seq);
            const char *found = strstr(answers[i]->json, number);
            if (!found || found < at) fail_msg("%d in %s", seq, answers[i]->json);
            at = found;
        }
        assert_has_not(answers[i], "\"messageSeq\":5");
    }
    assert_int_equal(say(scene, 10, 10)->seq, 10);
}

/* ---- no room */

static void limit_files(rlim_t bytes) {
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_refuses_writes_serves_reads_and_recovers(void **state) {
    struct scene *scene = *state;
    struct stat wal;
    signal(SIGXFSZ, SIG_IGN);
    make_hall(scene);
    say(scene, 1, 3);
    assert_int_equal(stat(beside(scene, "-wal"), &wal), 0);
    limit_files((rlim_t)wal.st_size);
    struct answer *full = SAY(&scene->asking, "hall", "alice", "m4", "m4", "\"said\"");
    struct answer *probe = ASK(&scene->asking, STORE_PROBE, );
    struct answer *read = ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall"));
    limit_files(RLIM_INFINITY);
    assert_status(full, STORE_FULL);
    assert_status(probe, STORE_FULL);
    assert_status(read, STORE_OK);
    assert_int_equal(read->seq, 3);
    struct answer *after = say(scene, 4, 4);
    assert_int_equal(after->seq, 4);
    assert_false(after->duplicate);
    scene_close(scene);
    expect_sound_log(scene);
}

static off_t wal_size(struct scene *scene) {
    struct stat wal;
    assert_int_equal(stat(beside(scene, "-wal"), &wal), 0);
    return wal.st_size;
}

/* An unfinished read of any kind would keep the WAL from being reset. */
static void the_log_of_the_database_is_used_again(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 2);
    say(scene, 2, 2);
    ASK(&scene->asking, STORE_APPEND, SAYING("hall", "alice", "e1", "m1", "\"edited\""), .append.kind = STORE_EDIT);
    ASK(&scene->asking, STORE_MESSAGE, .channel_id = S("hall"), .messages.message_id = S("m2"));
    static char text[1 << 20];
    memset(text, 'x', sizeof text - 1);
    text[0] = text[sizeof text - 2] = '"';
    off_t most = 0;
    for (int i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "large%d", i);
        assert_status(SAY(&scene->asking, "hall", "alice", id, id, text), STORE_OK);
        if (wal_size(scene) > most) most = wal_size(scene);
    }
    assert_true(most < 50 << 20);
}

static void closing_in_no_time_answers_everyone(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    struct answer *answers[2000];
    for (int i = 0; i < 2000; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        answers[i] = SUBMIT(&scene->asking, STORE_APPEND, SAYING("hall", "alice", id, id, "1"));
    }
    store_close(&scene->asking.store, 0);
    int stored = 0;
    for (int i = 0; i < 2000; i++) {
        assert_true(answers[i]->came);
        assert_true(answers[i]->status == STORE_OK || answers[i]->status == STORE_UNAVAILABLE);
        stored += answers[i]->status == STORE_OK;
    }
    assert_true(stored < 2000);
    assert_int_equal(number_of(scene, "SELECT count(*) FROM events"), stored);
}

static void what_gathers_while_a_commit_is_flushed_is_one_commit(void **state) {
    struct scene *scene = *state;
    scene_open(scene);
    int64_t commits = metric_get(METRIC_APPEND_BATCHES, NULL), took_us = metric_get(METRIC_COMMIT_TIME, NULL);
    int64_t waited_us = metric_get(METRIC_APPEND_WAIT, NULL);
    for (int i = 0; i < 200; i++)
        SUBMIT(&scene->asking, STORE_CHANNEL_PUT, .channel_id = S("hall"), .channel.name = S("Hall"));
    asking_wait(&scene->asking);
    commits = metric_get(METRIC_APPEND_BATCHES, NULL) - commits;
    assert_in_range(commits, 1, 100);
    assert_true(metric_get(METRIC_COMMIT_TIME, NULL) > took_us);
    assert_true(metric_get(METRIC_APPEND_WAIT, NULL) > waited_us);
    scene_close(scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(what_gathers_while_a_commit_is_flushed_is_one_commit),
        SCENE_TEST(acknowledged_events_survive_a_kill_and_seq_is_gapless_over_it),
#ifdef STOA_FAULTS
        SCENE_TEST(acknowledged_events_survive_a_power_cut),
        SCENE_TEST(a_power_cut_without_flushes_is_seen_to_lose),
        SCENE_TEST(acknowledging_before_the_commit_is_seen_to_lose),
        SCENE_TEST(deduplication_turned_off_is_seen),
#endif
        SCENE_TEST(the_epoch_stays_over_a_restart),
        SCENE_TEST(the_database_copied_back_begins_an_epoch),
        SCENE_TEST(the_database_and_its_log_copied_back_begin_an_epoch),
        SCENE_TEST(the_whole_folder_copied_back_begins_an_epoch),
        SCENE_TEST(the_whole_folder_moved_back_begins_an_epoch),
        SCENE_TEST(what_sqlite3_backed_up_while_it_was_served_begins_an_epoch),
        SCENE_TEST(a_database_beside_a_later_ones_log_is_refused_unchanged),
        SCENE_TEST(a_copy_that_was_never_served_is_no_continuation_either),
        SCENE_TEST(a_lost_sidecar_costs_an_epoch_and_nobody_a_reset),
        SCENE_TEST(a_log_that_lost_its_end_is_never_silent),
        SCENE_TEST(a_clock_that_went_back_reorders_nothing),
        SCENE_TEST(a_full_disk_refuses_writes_serves_reads_and_recovers),
        SCENE_TEST(the_log_of_the_database_is_used_again),
        SCENE_TEST(closing_in_no_time_answers_everyone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
