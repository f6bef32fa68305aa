/* SPDX-License-Identifier: Apache-2.0 */
/* A SQLite file of an older server. */
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "store/sqlite/db.h"
#include "store/sqlite/store_sqlite.h"
#include "store/store_progress.h"
#include "support/sqlite_scene.h"

/* As a server of schema 3 left it: of three messages two were edited, one of these was deleted, the first has a
 * reaction; then one more message. */
static const char old_log[] =
    "INSERT INTO epochs VALUES(1,'4e6f5f70',1795639554948);"
    "INSERT INTO channels VALUES('hall','hall','public',1795639554949,9,1);"
    "INSERT INTO events "
    "VALUES('hall',1,1,0,'alice','c1',-4987572402738621794,1,1795639554949,'{\"id\":\"m1\",\"channelId\":\"hall\","
    "\"userId\":\"alice\",\"content\":\"one\",\"createdAt\":\"2026-11-25T20:45:54.949Z\"}',507287252);"
    "INSERT INTO events "
    "VALUES('hall',2,1,0,'bob','c1',-6270931563119998181,2,1795639554950,'{\"id\":\"m2\",\"channelId\":\"hall\","
    "\"userId\":\"bob\",\"content\":{ \"of\": [1, 2.50, \"\\u00fc\"] "
    "},\"threadId\":\"m1\",\"attachments\":[{\"url\":\"/a\"}],\"createdAt\":\"2026-11-25T20:45:54.950Z\"}',570291813);"
    "INSERT INTO events "
    "VALUES('hall',3,1,1,'alice','c2',1933279468037844233,1,1795639554950,'{\"id\":\"m1\",\"channelId\":\"hall\","
    "\"userId\":\"alice\",\"content\":\"ONE\",\"createdAt\":\"2026-11-25T20:45:54.949Z\",\"editedAt\":\"2026-11-25T20:"
    "45:54.950Z\"}',2806759085);"
    "INSERT INTO events "
    "VALUES('hall',4,1,0,'alice',NULL,-8036134471511592237,4,1795639554950,'{\"id\":\"m3\",\"channelId\":\"hall\","
    "\"userId\":\"alice\",\"content\":\"\",\"createdAt\":\"2026-11-25T20:45:54.950Z\",\"editedAt\":\"2026-11-25T20:45:"
    "54.950Z\",\"deletedAt\":\"2026-11-25T20:45:54.951Z\"}',2342120543);"
    "INSERT INTO events "
    "VALUES('hall',5,1,1,'alice',NULL,-5219282897159380540,4,1795639554950,'{\"id\":\"m3\",\"channelId\":\"hall\","
    "\"userId\":\"alice\",\"content\":\"\",\"createdAt\":\"2026-11-25T20:45:54.950Z\",\"editedAt\":\"2026-11-25T20:45:"
    "54.950Z\",\"deletedAt\":\"2026-11-25T20:45:54.951Z\"}',2342120543);"
    "INSERT INTO events "
    "VALUES('hall',6,1,1,'bob','c3',931676148355469312,2,1795639554950,'{\"id\":\"m2\",\"channelId\":\"hall\","
    "\"userId\":\"bob\",\"content\":\"TWO\",\"threadId\":\"m1\",\"attachments\":[{\"url\":\"/"
    "a\"}],\"createdAt\":\"2026-11-25T20:45:54.950Z\",\"editedAt\":\"2026-11-25T20:45:54.950Z\"}',3120086545);"
    "INSERT INTO events "
    "VALUES('hall',7,1,2,'alice',NULL,-1647411346161383792,4,1795639554951,'{\"channelId\":\"hall\",\"messageId\":"
    "\"m3\"}',4256229515);"
    "INSERT INTO events "
    "VALUES('hall',8,1,3,'bob','c4',6578846534528540178,1,1795639554951,'{\"channelId\":\"hall\",\"messageId\":\"m1\","
    "\"userId\":\"bob\",\"emoji\":\"+1\",\"added\":true}',385478797);"
    "INSERT INTO events "
    "VALUES('hall',9,1,0,'bob','c6',773420792469150409,9,1795639554952,'{\"id\":\"m6\",\"channelId\":\"hall\","
    "\"userId\":\"bob\",\"content\":\"six\",\"createdAt\":\"2026-11-25T20:45:54.952Z\"}',3163667035);"
    "INSERT INTO messages "
    "VALUES('hall',1,'m1','alice','\"ONE\"',NULL,NULL,1795639554949,1795639554950,NULL,2298409318);"
    "INSERT INTO messages "
    "VALUES('hall',2,'m2','bob','\"TWO\"','m1','[{\"url\":\"/a\"}]',1795639554950,1795639554950,NULL,1873901046);"
    "INSERT INTO messages "
    "VALUES('hall',4,'m3','alice','\"\"',NULL,NULL,1795639554950,1795639554950,1795639554951,2561920968);"
    "INSERT INTO messages VALUES('hall',9,'m6','bob','\"six\"',NULL,NULL,1795639554952,NULL,NULL,1072332233);"
    "INSERT INTO reactions VALUES('hall',1,'+1','bob',8);"
    "INSERT INTO members VALUES('hall','alice','owner',1795639554949,0);";

/* The events it sent, with single quotes. */
static const char *const old_events[] = {
    "['message:new',{'id':'m1','channelId':'hall','userId':'alice','content':'one','createdAt':'2026-11-25T20:45:54."
    "949Z','messageSeq':1,'seq':1,'epoch':'1-4e6f5f70'}]",
    "['message:new',{'id':'m2','channelId':'hall','userId':'bob','content':{'of':[1,2.50,'\\u00fc']},'threadId':'m1','"
    "attachments':[{'url':'/a'}],'createdAt':'2026-11-25T20:45:54.950Z','messageSeq':2,'seq':2,'epoch':'1-4e6f5f70'}]",
    "['message:updated',{'id':'m1','channelId':'hall','userId':'alice','content':'ONE','createdAt':'2026-11-25T20:45:"
    "54.949Z','editedAt':'2026-11-25T20:45:54.950Z','messageSeq':1,'seq':3,'epoch':'1-4e6f5f70'}]",
    "['message:new',{'id':'m3','channelId':'hall','userId':'alice','content':'','createdAt':'2026-11-25T20:45:54.950Z',"
    "'deletedAt':'2026-11-25T20:45:54.951Z','messageSeq':4,'seq':4,'epoch':'1-4e6f5f70'}]",
    "['message:updated',{'id':'m3','channelId':'hall','userId':'alice','content':'','createdAt':'2026-11-25T20:45:54."
    "950Z','editedAt':'2026-11-25T20:45:54.950Z','deletedAt':'2026-11-25T20:45:54.951Z','messageSeq':4,'seq':5,'epoch':"
    "'1-4e6f5f70'}]",
    "['message:updated',{'id':'m2','channelId':'hall','userId':'bob','content':'TWO','threadId':'m1','attachments':[{'"
    "url':'/"
    "a'}],'createdAt':'2026-11-25T20:45:54.950Z','editedAt':'2026-11-25T20:45:54.950Z','messageSeq':2,'seq':6,'epoch':'"
    "1-4e6f5f70'}]",
    "['message:deleted',{'channelId':'hall','messageId':'m3','seq':7,'epoch':'1-4e6f5f70'}]",
    "['reaction:changed',{'channelId':'hall','messageId':'m1','userId':'bob','emoji':'+1','added':true,'seq':8,'epoch':"
    "'1-4e6f5f70'}]",
    "['message:new',{'id':'m6','channelId':'hall','userId':'bob','content':'six','createdAt':'2026-11-25T20:45:54.952Z'"
    ",'messageSeq':9,'seq':9,'epoch':'1-4e6f5f70'}]",
    NULL,
};
static const char *const old_messages[] = {
    "{'id':'m1','channelId':'hall','userId':'alice','content':'ONE','reactions':{'+1':['bob']},'createdAt':'2026-11-"
    "25T20:45:54.949Z','editedAt':'2026-11-25T20:45:54.950Z','messageSeq':1}",
    "{'id':'m2','channelId':'hall','userId':'bob','content':'TWO','threadId':'m1','attachments':[{'url':'/"
    "a'}],'createdAt':'2026-11-25T20:45:54.950Z','editedAt':'2026-11-25T20:45:54.950Z','messageSeq':2}",
    "{'id':'m3','channelId':'hall','userId':'alice','content':'','createdAt':'2026-11-25T20:45:54.950Z','editedAt':'"
    "2026-11-25T20:45:54.950Z','deletedAt':'2026-11-25T20:45:54.951Z','messageSeq':4}",
    "{'id':'m6','channelId':'hall','userId':'bob','content':'six','createdAt':'2026-11-25T20:45:54.952Z','messageSeq':"
    "9}",
    NULL,
};

static void expect_json(const struct answer *answer, const char *const *items) {
    struct buffer expected = {0};
    for (int i = 0; items[i]; i++) {
        buffer_append_char(&expected, i ? ',' : '[');
        for (const char *at = items[i]; *at; at++) buffer_append_char(&expected, *at == '\'' ? '"' : *at);
    }
    buffer_append_str(&expected, "]");
    buffer_append_char(&expected, '\0');
    assert_string_equal(answer->json, expected.ptr);
    buffer_done(&expected);
}

static void a_log_of_an_older_schema_is_told_as_before(void **state) {
    struct scene *scene = *state;
    struct asking *asking = &scene->asking;
    for (int i = 0; i < 3; i++) execute(scene, sqlite_migrations[i]);
    execute(scene, "PRAGMA user_version = 3");
    execute(scene, old_log);
    scene_open(scene);
    struct answer *events = ASK(asking, STORE_EVENTS, .channel_id = S("hall"));
    assert_int_equal(events->seq, 9);
    expect_json(events, old_events);
    expect_json(ASK(asking, STORE_MESSAGES, .channel_id = S("hall")), old_messages);
    /* Retries are recognised and get the same answers. */
    struct answer *again = SAY(asking, "hall", "alice", "c1", "new", "\"one\"");
    assert_true(again->duplicate);
    assert_int_equal(again->seq, 1);
    assert_string_equal(again->message_id, "m1");
    assert_has(again, "\"content\":\"one\"");
    again = ASK(asking, STORE_APPEND, SAYING("hall", "bob", "c4", "m1", ""), .append.emoji = S("+1"),
                .append.kind = STORE_REACTION_ADD);
    assert_true(again->duplicate);
    assert_int_equal(again->seq, 8);
    assert_status(SAY(asking, "hall", "alice", "c1", "new", "\"other\""), STORE_CONFLICT);
    /* The log continues, and a deletion reaches every place that holds the content. */
    assert_int_equal(ASK(asking, STORE_APPEND, SAYING("hall", "bob", "c7", "m2", ""), .append.kind = STORE_DELETE)->seq,
                     10);
    assert_has_not(ASK(asking, STORE_EVENTS, .channel_id = S("hall")), "TWO");
    assert_has_not(ASK(asking, STORE_EVENTS, .channel_id = S("hall")), "2.50");
    scene_close(scene);
    assert_int_equal(number_of(scene, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
}

/* ---- a migration that is killed */

static int calls_left;

static void die(void *owner, const char *what, unsigned percent) {
    if (calls_left-- == 0) _exit(percent <= 100 ? 3 : 4);
}

/* Kills a start at its n-th progress report. False: it was ready before. */
static bool is_killed_at(struct scene *scene, int call) {
    pid_t child = fork();
    int status;
    if (child == 0) {
        struct loop *loop = loop_new();
        calls_left = call;
        struct store *store = store_sqlite_new(loop, scene->path, &(struct store_progress){die, NULL}, NULL);
        _exit(store ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3);
    return WEXITSTATUS(status) == 3;
}

enum { OLD_ROWS = 7000 };

static void make_old(struct scene *scene) {
    char sql[700];
    for (int i = 0; i < 3; i++) execute(scene, sqlite_migrations[i]);
    execute(scene, "PRAGMA user_version = 3");
    execute(scene, old_log);
    snprintf(sql, sizeof sql,
             "INSERT INTO channels VALUES ('yard', 'yard', 'public', 0, %d, 1);"
             "INSERT INTO events WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT "
             "'yard', i, 1, 0, 'bob', 'y' || i, 0, i, 1795639554949, '{}', NULL FROM n;"
             "INSERT INTO messages SELECT 'yard', seq, 'y' || seq, 'bob', '\"' || seq || '\"', NULL, NULL, created_ms, "
             "NULL, NULL, NULL FROM events WHERE channel_id = 'yard'",
             OLD_ROWS, OLD_ROWS);
    execute(scene, sql);
}

static void a_migration_that_is_killed_anywhere_goes_on_with_the_next_start(void **state) {
    struct scene *scene = *state;
    make_old(scene);
    int kills = 0;
    while (is_killed_at(scene, kills % 3)) assert_true(++kills < 100);
    assert_true(kills > 8);
    scene_open(scene);
    expect_json(ASK(&scene->asking, STORE_EVENTS, .channel_id = S("hall")), old_events);
    expect_json(ASK(&scene->asking, STORE_MESSAGES, .channel_id = S("hall")), old_messages);
    assert_int_equal(ASK(&scene->asking, STORE_CHANNEL, .channel_id = S("yard"))->seq, OLD_ROWS);
    scene_close(scene);
    assert_int_equal(number_of(scene,
                               "SELECT count(*) FROM messages WHERE channel_id = 'yard' AND content = '\"' || "
                               "message_seq || '\"'"),
                     OLD_ROWS);
    assert_int_equal(number_of(scene,
                               "SELECT count(*) FROM client_ids JOIN messages USING (channel_id) WHERE seq = "
                               "message_seq AND client_id = message_id"),
                     OLD_ROWS);
    assert_int_equal(number_of(scene,
                               "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%old%' OR name = "
                               "'migration'"),
                     0);
    assert_int_equal(number_of(scene, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
}

/* Ignoring it would serve a file that has half of its messages. */
static void an_unreadable_migration_note_is_an_error(void **state) {
    struct scene *scene = *state;
    make_hall(scene);
    scene_close(scene);
    execute(scene, "CREATE TABLE migration (step INTEGER NOT NULL)");
    expect_refused(scene, "cannot migrate the schema");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCENE_TEST(a_log_of_an_older_schema_is_told_as_before),
        SCENE_TEST(an_unreadable_migration_note_is_an_error),
        SCENE_TEST(a_migration_that_is_killed_anywhere_goes_on_with_the_next_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
