/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zlib.h>

#include "base/fault.h"
#include "base/ids.h"
#include "base/log.h"
#include "store/sqlite/file.h"
#include "store/sqlite/known_heads.h"
#include "store/sqlite/powercut.h"
#include "store/sqlite/sqlite_internal.h"

enum { BUSY_MS = 2000, INCARNATION_LEN = 8, CHECKED_PAGES = 4096 };
enum { CHECKPOINT_PAGES = 8000, LARGE_LOG_PAGES = 65536 };
/* How long a checkpoint may hold up writes: for readers of this process, then for those of other processes. */
enum { PAUSE_MS = 1000, OTHERS_MS = 100 };

static bool fail(struct sqlite_db *db, const char *path, const char *doing, struct error *error_r) {
    int code = sqlite3_extended_errcode(db->handle) & 0xff;
    const char *advice = "";
    if (code == SQLITE_BUSY) advice = " (somebody else holds it locked)";
    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        advice = " (restore a backup, or save what can be read: sqlite3 FILE .recover)";
    error_set(error_r, "%s: %s: %s%s", path, doing, db->handle ? sqlite3_errmsg(db->handle) : "out of memory", advice);
    return false;
}

static bool execute(struct sqlite_db *db, const char *sql) {
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK;
}

int64_t sqlite_number(sqlite3 *handle, const char *sql) {
    sqlite3_stmt *row = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(handle, sql, -1, &row, NULL) == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW)
        number = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return number;
}

static int64_t db_wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

sqlite3_stmt *db_query(struct sqlite_db *db, const char *sql) {
    int i = 0;
    while (i < DB_STATEMENTS_MAX && db->statements[i].sql && db->statements[i].sql != sql) i++;
    if (i == DB_STATEMENTS_MAX) abort(); /* more literals than places: a bug */
    if (!db->statements[i].sql) {
        int code =
            sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i].statement, NULL);
        if (code != SQLITE_OK) return NULL;
        db->statements[i].sql = sql;
    }
    sqlite3_reset(db->statements[i].statement);
    sqlite3_clear_bindings(db->statements[i].statement);
    return db->statements[i].statement;
}

void db_end_readings(struct sqlite_db *db) {
    for (int i = 0; i < DB_STATEMENTS_MAX && db->statements[i].sql; i++) sqlite3_reset(db->statements[i].statement);
}

void db_bind_text(sqlite3_stmt *statement, int index, struct slice text) {
    if (text.len)
        sqlite3_bind_text(statement, index, text.ptr, (int)text.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(statement, index);
}

void db_bind_integer(sqlite3_stmt *statement, int index, int64_t number) {
    sqlite3_bind_int64(statement, index, number);
}

/* Makes the current request fail, whatever its later statements do. */
static void note_failure(struct sqlite_db *db, int code) {
    if (db->failure == STORE_OK) db->failure = db_status(db);
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB) db->found_corrupt = true;
}

bool db_step(struct sqlite_db *db, sqlite3_stmt *statement) {
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) note_failure(db, code);
    sqlite3_reset(statement);
    return false;
}

enum store_status db_run(struct sqlite_db *db, sqlite3_stmt *statement) {
    int code = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    if (code != SQLITE_ROW && code != SQLITE_DONE) note_failure(db, code);
    enum store_status status = db_status(db);
    sqlite3_reset(statement);
    return status;
}

struct slice db_text(sqlite3_stmt *statement, int column) {
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return (struct slice){text, (size_t)sqlite3_column_bytes(statement, column)};
}

int64_t db_head(struct sqlite_db *db, struct slice channel_id) {
    int64_t known = known_heads_find(db->heads, channel_id);
    if (known >= 0) return known;
    sqlite3_stmt *head = db_query(db, "SELECT last_seq FROM heads WHERE channel_id = ?1");
    db_bind_text(head, 1, channel_id);
    int64_t seq = db_step(db, head) ? sqlite3_column_int64(head, 0) : -1;
    sqlite3_reset(head);
    return seq;
}

int64_t db_checksum(int64_t message_seq, struct slice text, struct slice more, struct slice most) {
    const struct slice texts[] = {text, more, most};
    uLong sum = crc32(0, (const Bytef *)&message_seq, sizeof message_seq);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].len) sum = crc32_z(sum, (const Bytef *)texts[i].ptr, texts[i].len);
    return (int64_t)sum;
}

bool db_verify(struct sqlite_db *db, sqlite3_stmt *row, int column, int64_t checksum) {
    if (sqlite3_column_type(row, column) == SQLITE_NULL || sqlite3_column_int64(row, column) == checksum) return true;
    db->found_corrupt = true;
    return false;
}

/* A commit is the last thing written: after a failed write there is no commit. After a failed flush there may be one
 * (SQLITE_IOERR_FSYNC: unavailable, the outcome is unknown). */
static bool has_no_room(struct sqlite_db *db) {
    int code = sqlite3_extended_errcode(db->handle);
    return (code & 0xff) == SQLITE_FULL || code == SQLITE_IOERR_WRITE;
}

enum store_status db_status(struct sqlite_db *db) {
    if (has_no_room(db)) return STORE_FULL;
    switch (sqlite3_extended_errcode(db->handle) & 0xff) {
        case SQLITE_OK:
        case SQLITE_ROW:
        case SQLITE_DONE:
            return STORE_OK;
        case SQLITE_CONSTRAINT:
        case SQLITE_TOOBIG:
        case SQLITE_MISMATCH:
            return STORE_BAD;
        default:
            return STORE_UNAVAILABLE;
    }
}

/* Checks that the file is a store of ours, before anything is changed. */
static bool is_for_us(struct sqlite_db *db, const char *path, struct error *error_r) {
    int64_t version = sqlite_number(db->handle, "PRAGMA user_version"), known = 0;
    while (sqlite_migrations[known]) known++;
    if (version < 0 || sqlite_number(db->handle, "SELECT count(*) FROM sqlite_schema") < 0)
        return fail(db, path, "cannot be read", error_r);
    if (sqlite_file_is_foreign(db->handle))
        error_set(error_r, "%s: is no store of Stoa: another program's tables are in it", path);
    else if (version > known)
        error_set(error_r, "%s: its schema (version %lld) is newer than this server (version %lld): upgrade the server",
                  path, (long long)version, (long long)known);
    else
        return true;
    return false;
}

static bool migrate(struct sqlite_db *db, const char *path, const struct store_progress *progress,
                    struct error *error_r) {
    int64_t version = sqlite_number(db->handle, "PRAGMA user_version");
    return sqlite_migrate(db, version, progress) || fail(db, path, "cannot migrate the schema", error_r);
}

static bool tell_damage(const char *path, const char *what, struct error *error_r) {
    error_set(error_r, "%s: damaged: %s (restore a backup, or save what can be read: sqlite3 FILE .recover)", path,
              what);
    return false;
}

/* A small file is checked completely. */
static bool check(struct sqlite_db *db, const char *path, struct error *error_r) {
    sqlite3_stmt *statement;
    int64_t pages = sqlite_number(db->handle, "PRAGMA page_count");
    if (pages > CHECKED_PAGES) return true;
    if (pages < 0 || sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1, &statement, NULL) != SQLITE_OK)
        return fail(db, path, "cannot be read", error_r);
    bool good = sqlite3_step(statement) == SQLITE_ROW;
    const char *verdict = good ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (!good)
        fail(db, path, "cannot be checked", error_r);
    else if (!verdict || strcmp(verdict, "ok") != 0)
        good = tell_damage(path, verdict ? verdict : "", error_r);
    sqlite3_finalize(statement);
    return good;
}

/* In a large file, checks each tree from its root to its first and last leaf; sqlite/check.h does the rest. */
static const char *const ends[] = {
    "SELECT content FROM messages ORDER BY channel_id, message_seq LIMIT 1",
    "SELECT content FROM messages ORDER BY channel_id DESC, message_seq DESC LIMIT 1",
    "SELECT message_id FROM messages ORDER BY message_id, channel_id LIMIT 1",
    "SELECT message_id FROM messages ORDER BY message_id DESC, channel_id DESC LIMIT 1",
    "SELECT thread_id FROM messages WHERE thread_id IS NOT NULL ORDER BY channel_id, thread_id LIMIT 1",
    "SELECT body FROM changes ORDER BY channel_id, seq LIMIT 1",
    "SELECT body FROM changes ORDER BY channel_id DESC, seq DESC LIMIT 1",
    "SELECT sender FROM client_ids ORDER BY client_id, channel_id, sender LIMIT 1",
    "SELECT sender FROM client_ids ORDER BY client_id DESC, channel_id DESC, sender DESC LIMIT 1",
    "SELECT name FROM channels ORDER BY channel_id LIMIT 1",
    "SELECT name FROM channels ORDER BY channel_id DESC LIMIT 1",
    "SELECT role FROM members ORDER BY channel_id, user_id LIMIT 1",
    "SELECT role FROM members ORDER BY channel_id DESC, user_id DESC LIMIT 1",
    "SELECT channel_id FROM members ORDER BY user_id DESC LIMIT 1",
    "SELECT name FROM users ORDER BY user_id LIMIT 1",
    "SELECT name FROM users ORDER BY user_id DESC LIMIT 1",
    "SELECT status FROM words ORDER BY user_id DESC LIMIT 1",
    "SELECT emoji FROM reactions ORDER BY channel_id DESC, message_seq DESC LIMIT 1",
};

static bool look_at_ends(struct sqlite_db *db, const char *path, struct error *error_r) {
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (!execute(db, ends[i])) return tell_damage(path, sqlite3_errmsg(db->handle), error_r);
    return true;
}

static bool read_epoch(struct sqlite_db *db, const char *path, struct error *error_r) {
    sqlite3_stmt *statement = db_query(db, "SELECT number, incarnation FROM epochs ORDER BY number DESC LIMIT 1");
    if (!db_step(db, statement)) return fail(db, path, "has no epoch", error_r);
    db->epoch = sqlite3_column_int64(statement, 0);
    snprintf(db->epoch_text, sizeof db->epoch_text, "%lld-%.*s", (long long)db->epoch,
             SLICE_ARG(db_text(statement, 1)));
    sqlite3_reset(statement);
    return true;
}

bool sqlite_db_begin_epoch(struct sqlite_db *db, const char *path, int64_t above, struct error *error_r) {
    char incarnation[INCARNATION_LEN + 1], sql[200];
    uint32_t random;
    char bytes[ID_SECRET_LEN + 1];
    id_random(bytes, ID_SECRET_LEN);
    memcpy(&random, bytes, sizeof random);
    snprintf(incarnation, sizeof incarnation, "%08x", random);
    snprintf(sql, sizeof sql,
             "INSERT INTO epochs SELECT max(coalesce(max(number), 0), %lld) + 1, '%s', %lld FROM epochs",
             (long long)above, incarnation, (long long)db_wall_ms());
    return (execute(db, sql) || fail(db, path, "cannot begin an epoch", error_r)) && read_epoch(db, path, error_r);
}

static bool settle_epoch(struct sqlite_db *db, const char *path, struct error *error_r) {
    bool is_ours;
    if (!lineage_open(&db->lineage, db->handle, path, &is_ours, error_r)) return false;
    if (fault_planted("no_lineage")) is_ours = true;
    bool fresh = sqlite_number(db->handle, "SELECT count(*) FROM epochs") == 0;
    if ((fresh || !is_ours) && !sqlite_db_begin_epoch(db, path, 0, error_r)) return false;
    return lineage_begin(&db->lineage, db->handle, path, error_r) && read_epoch(db, path, error_r);
}

void db_epoch_text(struct sqlite_db *db, int64_t number, char *out) {
    if (number == db->epoch) {
        memcpy(out, db->epoch_text, STORE_EPOCH_MAX);
        return;
    }
    sqlite3_stmt *statement = db_query(db, "SELECT incarnation FROM epochs WHERE number = ?1");
    db_bind_integer(statement, 1, number);
    bool known = db_step(db, statement);
    snprintf(out, STORE_EPOCH_MAX, "%lld-%.*s", (long long)number,
             SLICE_ARG(known ? db_text(statement, 0) : SLICE("0")));
    sqlite3_reset(statement);
}

static int note_wal_size(void *owner, sqlite3 *handle, const char *database, int pages) {
    struct sqlite_db *db = owner;
    if (pages < db->wal_pages) db->due_pages = CHECKPOINT_PAGES; /* the WAL was reset */
    db->wal_pages = pages;
    return SQLITE_OK;
}

/* False: somebody is reading from the WAL. */
static bool move_pages(struct sqlite_db *db, int mode) {
    int pages = -1, moved = 0;
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, &pages, &moved);
    if (code != SQLITE_OK && code != SQLITE_BUSY)
        LOG(LOG_WARNING, "store.checkpoint_failed", LOG_TEXT("error", sqlite3_errmsg(db->handle)));
    if (code == SQLITE_OK && moved == pages) db->lineage.checkpointed = db->lineage.commits;
    return code == SQLITE_OK;
}

/* While SQLite waits here, the writer is blocked too. */
static bool begin_log_anew(struct sqlite_db *db) {
    sqlite3_busy_timeout(db->handle, OTHERS_MS);
    bool good = move_pages(db, SQLITE_CHECKPOINT_RESTART);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    return good;
}

/* Most pages are moved while readers go on, so that their pause is short. If a read outlasts the pause, or another
 * process reads, the WAL grows until the next attempt; the longer the WAL, the later that is. */
void db_checkpoint(struct sqlite_db *db, struct sqlite_readers *readers) {
    if (db->wal_pages < db->due_pages) return;
    bool is_anew = false;
    if (move_pages(db, SQLITE_CHECKPOINT_PASSIVE) && (!readers || sqlite_readers_pause(readers, PAUSE_MS))) {
        is_anew = begin_log_anew(db);
        if (readers) sqlite_readers_resume(readers);
    }
    if (is_anew) {
        db->wal_pages = 0;
        db->due_pages = CHECKPOINT_PAGES;
        return;
    }
    int more = db->wal_pages / 4;
    db->due_pages = db->wal_pages + (more < CHECKPOINT_PAGES ? more : CHECKPOINT_PAGES);
    if (db->wal_pages >= LARGE_LOG_PAGES) LOG(LOG_WARNING, "store.log_grows", LOG_NUMBER("pages", db->wal_pages));
}

/* name: the name used in errors. */
static bool open_handle(struct sqlite_db *db, const char *path, const char *name, int flags, struct error *error_r) {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* saves a lock per allocation; fails once SQLite is in use */
    if (sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, powercut_vfs()) != SQLITE_OK)
        return fail(db, name, "cannot be opened", error_r);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    return true;
}

static bool open_file(struct sqlite_db *db, const char *path, const char *name, const struct store_progress *progress,
                      struct error *error_r) {
    if (!open_handle(db, path, name, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error_r)) return false;
    if (!lineage_log_fits(db->handle, path, error_r)) return false;
    if (!is_for_us(db, name, error_r)) return false;
    if (!execute(db, "PRAGMA journal_mode = WAL")) return fail(db, name, "cannot be set up", error_r);
    if (!execute(db, fault_planted("sync_off") ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = FULL") ||
        !execute(db, "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 0"))
        return fail(db, name, "cannot be set up", error_r);
    sqlite3_wal_hook(db->handle, note_wal_size, db);
    return check(db, name, error_r) && migrate(db, name, progress, error_r) && look_at_ends(db, name, error_r);
}

bool sqlite_db_check(const char *path, struct error *error_r) {
    struct sqlite_db db = {.lineage.fd = -1, .heads = known_heads_new()};
    bool good = sqlite_file_open(path, &db.handle, error_r);
    if (!good && db_status(&db) != STORE_OK) fail(&db, path, "cannot be read", error_r);
    good = good && is_for_us(&db, path, error_r) && check(&db, path, error_r);
    sqlite_db_close(&db);
    return good;
}

bool sqlite_db_open(struct sqlite_db *db, const char *path, const struct store_progress *progress,
                    struct error *error_r) {
    *db = (struct sqlite_db){.lineage.fd = -1, .heads = known_heads_new(), .due_pages = CHECKPOINT_PAGES};
    return lineage_lock(&db->lineage, path, error_r) && open_file(db, path, path, progress, error_r) &&
           settle_epoch(db, path, error_r);
}

bool sqlite_db_open_copy(struct sqlite_db *db, const char *path, const char *name, struct error *error_r) {
    *db = (struct sqlite_db){.lineage.fd = -1, .heads = known_heads_new(), .due_pages = CHECKPOINT_PAGES};
    return open_file(db, path, name, NULL, error_r);
}

bool sqlite_db_open_reader(struct sqlite_db *db, const char *path, const struct sqlite_db *writer,
                           struct error *error_r) {
    *db = (struct sqlite_db){.lineage.fd = -1, .heads = known_heads_new()};
    if (!open_handle(db, path, path, SQLITE_OPEN_READONLY, error_r)) return false;
    db->epoch = writer->epoch;
    memcpy(db->epoch_text, writer->epoch_text, sizeof db->epoch_text);
    return execute(db, "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -32768") ||
           fail(db, path, "cannot be set up", error_r);
}

void sqlite_db_close(struct sqlite_db *db) {
    for (int i = 0; i < DB_STATEMENTS_MAX; i++) sqlite3_finalize(db->statements[i].statement);
    sqlite3_close(db->handle);
    known_heads_free(&db->heads);
    lineage_done(&db->lineage);
    *db = (struct sqlite_db){.lineage.fd = -1};
}
