/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of the SQLite store: concurrent with writes, and at bounded cost whatever the log's length. */
#include <sqlite3.h>
#include <sys/stat.h>

#include "store/sqlite/sqlite_internal.h"
#include "support/held_reads.h"
#include "support/sqlite_scene.h"

/* ---- what a read costs */

static int count_steps(void *owner) {
    ++*(long *)owner;
    return 0;
}

/* In steps of SQLite's virtual machine. */
static long cost_of(struct scene *scene, struct store_request *request) {
    struct sqlite_db db;
    long steps = 0;
    assert_true(sqlite_db_open(&db, scene->path, NULL, NULL));
    sqlite3_progress_handler(db.handle, 1, count_steps, &steps);
    sqlite_read(&db, request);
    sqlite3_progress_handler(db.handle, 0, NULL, NULL);
    assert_int_equal(request->status, STORE_OK);
    sqlite_db_close(&db);
    return steps;
}

static void fill(struct scene *scene, int from, int to) {
    char sql[400];
    snprintf(sql, sizeof sql,
             "INSERT INTO messages (channel_id, message_seq, epoch, message_id, user_id, created_ms, content) "
             "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "SELECT 'hall', i, 1, printf('%%09d', i), 'alice', i, '\"said\"' FROM n",
             from, to);
    execute(scene, sql);
}

static void no_done(struct store_request *request) {}

static void a_reads_cost_does_not_depend_on_the_logs_length(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    ASK(&scene->asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member"));
    scene_close(scene);
    const struct store_request reads[] = {
        {.op = STORE_USER_CHANNELS, .user_id = S("bob")},
        {.op = STORE_HEADS},
        {.op = STORE_CHANNEL, .channel_id = S("hall")},
        {.op = STORE_EVENTS, .channel_id = S("hall"), .events.seq = 1, .events.limit = 20},
        {.op = STORE_MESSAGES, .channel_id = S("hall"), .messages.limit = 20},
    };
    enum { READS = sizeof reads / sizeof *reads };
    long costs[2][READS];
    for (int age = 0; age < 2; age++) {
        fill(scene, age == 0 ? 1 : 2001, age == 0 ? 2000 : 100000);
        for (int i = 0; i < READS; i++) {
            struct store_request *request = store_request_new(reads[i].op, no_done, NULL);
            request->user_id = reads[i].user_id;
            request->channel_id = reads[i].channel_id;
            if (reads[i].op == STORE_HEADS) store_heads_add(request, S("hall"));
            if (reads[i].op == STORE_EVENTS) request->events = reads[i].events;
            if (reads[i].op == STORE_MESSAGES) request->messages = reads[i].messages;
            costs[age][i] = cost_of(scene, request);
            store_request_free(&request);
        }
    }
    for (int i = 0; i < READS; i++) assert_int_equal(costs[1][i], costs[0][i]);
}

static void whoever_joins_has_read_what_is_there(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    say(scene, 1, 3);
    ASK(&scene->asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member"));
    assert_has(ASK(&scene->asking, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":3,\"unread\":0}");
    say(scene, 4, 5);
    ASK(&scene->asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("owner"));
    assert_has(ASK(&scene->asking, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":3,\"unread\":2}");
}

static void unread_messages_are_counted_up_to_a_limit(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    ASK(&scene->asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member"));
    scene_close(scene);
    fill(scene, 1, STORE_UNREAD_MAX);
    execute(scene, "UPDATE messages SET deleted_ms = 1 WHERE message_seq = 9");
    scene_open(scene);
    assert_has(ASK(&scene->asking, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":0,\"unread\":998}");
    say(scene, STORE_UNREAD_MAX + 1, STORE_UNREAD_MAX + 1);
    assert_has(ASK(&scene->asking, STORE_USER_CHANNELS, .user_id = S("bob")), "\"readSeq\":0,\"unread\":999}");
}

static void whoever_says_more_than_is_looked_at_has_read_it(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    ASK(&scene->asking, STORE_MEMBER_PUT, .channel_id = S("hall"), .user_id = S("bob"), .member.role = S("member"));
    scene_close(scene);
    fill(scene, 1, 2 * STORE_UNREAD_MAX);
    execute(scene, "UPDATE messages SET user_id = 'bob'");
    scene_open(scene);
    assert_has(ASK(&scene->asking, STORE_USER_CHANNELS, .user_id = S("bob")), "\"unread\":0}");
    say(scene, 2 * STORE_UNREAD_MAX + 1, 2 * STORE_UNREAD_MAX + 1);
    assert_has(ASK(&scene->asking, STORE_USER_CHANNELS, .user_id = S("bob")), "\"unread\":1}");
}

/* ---- during writes */

static void wait_for(struct asking *asking, const struct answer *answer) {
    loop_timer_set(&asking->deadline, ANSWER_DEADLINE_MS);
    while (!answer->came) loop_turn(asking->loop);
    loop_timer_cancel(&asking->deadline);
}

static void make_member_of(struct scene *scene, int channels) {
    char sql[300];
    make_hall(scene);
    scene_close(scene);
    snprintf(sql, sizeof sql,
             "INSERT INTO channels WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
             "SELECT printf('c%%05d', i), 'c', 'public', 0, 1 FROM n",
             channels);
    execute(scene, sql);
    execute(scene, "INSERT INTO members SELECT channel_id, 'bob', 'member', 0, 0 FROM channels");
    scene_open(scene);
}

static void a_long_read_delays_no_send(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    make_member_of(scene, 100);
    held_reads_begin(ANSWER_DEADLINE_MS);
    struct answer *list = SUBMIT(asking, STORE_USER_CHANNELS, .user_id = S("bob"));
    held_reads_wait();
    for (int i = 1; i <= 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        struct answer *said = SUBMIT(asking, STORE_APPEND, SAYING("hall", "alice", id, id, "1"));
        wait_for(asking, said);
        assert_int_equal(said->seq, i);
    }
    assert_false(list->came);
    held_reads_end();
    asking_wait(asking);
    assert_status(list, STORE_OK);
}

static void a_read_finds_all_that_was_sent_before_it(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    for (int i = 1; i <= 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        SUBMIT(&scene->asking, STORE_APPEND, SAYING("hall", "alice", id, id, "1"));
        struct answer *head = SUBMIT(&scene->asking, STORE_CHANNEL, .channel_id = S("hall"));
        asking_wait(&scene->asking);
        assert_int_equal(head->seq, i);
    }
}

/* Readers and writers that never pause. */
struct crowd {
    struct asking *asking;
    unsigned reads, writes, under_way;
    unsigned writes_wanted;
    off_t most; /* the WAL's size */
    char wal[128];
};

enum { AT_ONCE = 16, READS_AT_ONCE = 4 };
static char large[60000];

static void ask_again(struct crowd *crowd, enum store_op op);

static void has_come(struct store_request *request) {
    struct crowd *crowd = request->owner;
    struct stat wal;
    assert_int_equal(request->status, STORE_OK);
    loop_timer_set(&crowd->asking->deadline, ANSWER_DEADLINE_MS); /* deadline of the next answer */
    if (stat(crowd->wal, &wal) == 0 && wal.st_size > crowd->most) crowd->most = wal.st_size;
    crowd->under_way--;
    *(request->op == STORE_AUDIT ? &crowd->writes : &crowd->reads) += 1;
    if (crowd->writes < crowd->writes_wanted) ask_again(crowd, request->op);
}

static void ask_again(struct crowd *crowd, enum store_op op) {
    struct store_request *request = store_request_new(op, has_come, crowd);
    request->user_id = SLICE("bob");
    if (op == STORE_AUDIT) request->audit = (struct store_audit){.action = SLICE("says"), .detail = S(large)};
    crowd->under_way++;
    store_submit(crowd->asking->store, &request);
}

/* Runs at_once writes concurrently. Returns how large the WAL grew. */
static off_t read_and_write(struct scene *scene, unsigned writes, int at_once) {
    struct crowd crowd = {.asking = &scene->asking, .writes_wanted = writes};
    snprintf(crowd.wal, sizeof crowd.wal, "%s", beside(scene, "-wal"));
    memset(large, 'x', sizeof large - 1);
    large[0] = large[sizeof large - 2] = '"';
    for (int i = 0; i < at_once; i++) ask_again(&crowd, STORE_AUDIT);
    for (int i = 0; i < READS_AT_ONCE; i++) ask_again(&crowd, STORE_USER_CHANNELS);
    loop_timer_set(&scene->asking.deadline, ANSWER_DEADLINE_MS);
    while (crowd.under_way > 0) loop_turn(scene->asking.loop);
    loop_timer_cancel(&scene->asking.deadline);
    assert_true(crowd.reads >= AT_ONCE);
    return crowd.most;
}

static void reads_that_never_pause_let_the_log_of_the_database_begin_anew(void **state) {
    struct scene *scene = *state;
    make_member_of(scene, 300);
    assert_true(read_and_write(scene, 2500, AT_ONCE) < 80 << 20);
}

/* At each commit and each look of the writer, a read is in progress. */
static void reads_under_way_do_not_hold_up_the_databases_log(void **state) {
    struct scene *scene = *state;
    make_member_of(scene, 1);
    held_reads_overlap(300); /* longer than SQLite itself waits */
    off_t most = read_and_write(scene, 800, 1);
    held_reads_end();
    assert_true(most < 45 << 20);
}

/* A reader in another process cannot be asked to pause. */
static void a_reading_of_another_process_only_postpones_the_beginning_of_the_log(void **state) {
    struct scene *scene = *state;
    sqlite3 *other;
    make_member_of(scene, 1);
    assert_int_equal(sqlite3_open_v2(scene->path, &other, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN; SELECT count(*) FROM members", NULL, NULL, NULL), SQLITE_OK);
    off_t most = read_and_write(scene, 700, AT_ONCE);
    assert_true(most > 40 << 20);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    /* It grows by at most a quarter, and is then reused. */
    assert_true(read_and_write(scene, 700, AT_ONCE) < most + (most >> 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_reads_cost_does_not_depend_on_the_logs_length),
        SCENE_TEST(whoever_joins_has_read_what_is_there),
        SCENE_TEST(unread_messages_are_counted_up_to_a_limit),
        SCENE_TEST(whoever_says_more_than_is_looked_at_has_read_it),
        SCENE_TEST(a_long_read_delays_no_send),
        SCENE_TEST(a_read_finds_all_that_was_sent_before_it),
        SCENE_TEST(reads_that_never_pause_let_the_log_of_the_database_begin_anew),
        SCENE_TEST(reads_under_way_do_not_hold_up_the_databases_log),
        SCENE_TEST(a_reading_of_another_process_only_postpones_the_beginning_of_the_log),
    };
    held_reads_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
