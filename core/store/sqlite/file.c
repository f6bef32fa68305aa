/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/file.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite_internal.h"

enum { BUSY_MS = 5000, STEP_PAGES = 2000, BUSY_STEPS_MAX = 500, BUSY_STEP_MS = 10 };

static bool fail(sqlite3 *handle, const char *path, struct error *error_r) {
    error_set(error_r, "%s: %s", path, handle ? sqlite3_errmsg(handle) : "out of memory");
    return false;
}

static bool has_log(const char *path) {
    struct buffer name = {0};
    struct stat file;
    buffer_printf(&name, "%s-wal%c", path, '\0');
    bool there = stat(name.ptr, &file) == 0 && file.st_size > 0;
    buffer_done(&name);
    return there;
}

bool sqlite_file_open(const char *path, sqlite3 **handle_r, struct error *error_r) {
    *handle_r = NULL;
    if (access(path, R_OK) != 0) {
        error_set(error_r, "%s: %s", path, strerror(errno));
        return false;
    }
    /* A reader beside a writer uses its shared memory, and so needs write access to it. */
    if (sqlite3_open_v2(path, handle_r, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return fail(*handle_r, path, error_r);
    sqlite3_busy_timeout(*handle_r, BUSY_MS);
    /* The last one to close a database moves its WAL into it: leave that to the server. */
    if (has_log(path)) sqlite3_db_config(*handle_r, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_exec(*handle_r, "PRAGMA query_only = ON; SELECT 1 FROM sqlite_schema", NULL, NULL, NULL) != SQLITE_OK)
        return fail(*handle_r, path, error_r);
    return !has_log(path) || lineage_log_fits(*handle_r, path, error_r);
}

bool sqlite_file_is_foreign(sqlite3 *handle) {
    int64_t ours = sqlite_number(handle, "SELECT count(*) FROM sqlite_schema WHERE name IN ('epochs', 'channels')");
    return ours >= 0 && ours != 2 && sqlite_number(handle, "SELECT count(*) FROM sqlite_schema") > 0;
}

int64_t sqlite_file_version(sqlite3 *handle, const char *path, struct error *error_r) {
    int64_t known = 0, version = sqlite_number(handle, "PRAGMA user_version");
    while (sqlite_migrations[known]) known++;
    if (version < 0)
        fail(handle, path, error_r);
    else if (sqlite_file_is_foreign(handle))
        error_set(error_r, "%s: is no store of Stoa: another program's tables are in it", path);
    else if (version == 0)
        error_set(error_r, "%s: is no store of Stoa", path);
    else if (version > known)
        error_set(error_r, "%s: its schema (version %lld) is newer than this program (version %lld)", path,
                  (long long)version, (long long)known);
    else /* after an interrupted migration, the version before it */
        return version - (sqlite_number(handle, "SELECT count(*) FROM sqlite_schema WHERE name = 'migration'") > 0);
    return 0;
}

bool sqlite_file_check(const char *path, struct error *error_r) {
    sqlite3 *handle;
    bool good = sqlite_file_open(path, &handle, error_r) && sqlite_file_version(handle, path, error_r) > 0;
    sqlite3_close(handle);
    return good;
}

/* SQLite would use a WAL left by a killed process beside a file of that name for the new file. */
static bool remove_beside(const char *path, struct error *error_r) {
    static const char *const suffixes[] = {"-wal", "-shm", "-journal"};
    bool good = true;
    for (size_t i = 0; good && i < sizeof suffixes / sizeof *suffixes; i++) {
        struct buffer name = {0};
        buffer_printf(&name, "%s%s%c", path, suffixes[i], '\0');
        good = unlink(name.ptr) == 0 || errno == ENOENT;
        if (!good) error_set(error_r, "%s: %s", name.ptr, strerror(errno));
        buffer_done(&name);
    }
    return good;
}

static bool copy_pages(sqlite3_backup *backup, const struct sqlite_file_watcher *watcher, int *code_r) {
    unsigned busy = 0;
    do {
        *code_r = sqlite3_backup_step(backup, STEP_PAGES);
        bool waits = *code_r == SQLITE_BUSY || *code_r == SQLITE_LOCKED;
        busy = waits ? busy + 1 : 0;
        if (waits && busy == BUSY_STEPS_MAX) return true;
        if (waits) nanosleep(&(struct timespec){.tv_nsec = BUSY_STEP_MS * 1000000}, NULL);
        int64_t of = sqlite3_backup_pagecount(backup);
        if (!watcher->copied(watcher->owner, of - sqlite3_backup_remaining(backup), of)) return false;
        if (!waits && *code_r != SQLITE_OK) return true;
    } while (true);
}

/* The open transaction holds the snapshot: without it SQLite would restart the copy after each write. */
static bool copy(sqlite3 *from, sqlite3 *to, const char *to_path, const struct sqlite_file_watcher *watcher,
                 struct error *error_r) {
    int code = SQLITE_ERROR;
    if (sqlite3_exec(from, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) != SQLITE_OK)
        return fail(from, to_path, error_r);
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup) return fail(to, to_path, error_r);
    bool finished = copy_pages(backup, watcher, &code);
    sqlite3_backup_finish(backup);
    if (!finished)
        error_set(error_r, "%s: stopped before the copy was complete", to_path);
    else if (code != SQLITE_DONE)
        error_set(error_r, "%s: %s", to_path, sqlite3_errstr(code));
    else
        return sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) == SQLITE_OK ||
               fail(to, to_path, error_r);
    return false;
}

bool sqlite_file_copy(const char *from, const char *to, const struct sqlite_file_watcher *watcher,
                      struct error *error_r) {
    sqlite3 *source = NULL, *target = NULL;
    bool good = sqlite_file_open(from, &source, error_r) && remove_beside(to, error_r);
    if (good && sqlite3_open_v2(to, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        good = fail(target, to, error_r);
    /* Half a copy is useless: no journal, and one flush at the end, by the caller. */
    if (good && sqlite3_exec(target, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY", NULL, NULL, NULL))
        good = fail(target, to, error_r);
    good = good && copy(source, target, to, watcher, error_r);
    sqlite3_close(target);
    sqlite3_close(source);
    return good;
}

bool sqlite_file_summarize(const char *path, struct sqlite_file_summary *summary_r, struct error *error_r) {
    sqlite3 *handle;
    sqlite3_stmt *row = NULL;
    static const char sql[] =
        "SELECT (SELECT count(*) FROM channels), (SELECT count(*) FROM messages), (SELECT created_ms FROM messages "
        "ORDER BY message_id DESC LIMIT 1), (SELECT max(number) FROM epochs)";
    bool good = sqlite_file_open(path, &handle, error_r);
    if (good && (sqlite3_prepare_v2(handle, sql, -1, &row, NULL) != SQLITE_OK || sqlite3_step(row) != SQLITE_ROW))
        good = fail(handle, path, error_r);
    if (good)
        *summary_r = (struct sqlite_file_summary){
            .channels = sqlite3_column_int64(row, 0),
            .messages = sqlite3_column_int64(row, 1),
            .newest_ms = sqlite3_column_int64(row, 2),
            .epoch = sqlite3_column_int64(row, 3),
        };
    sqlite3_finalize(row);
    sqlite3_close(handle);
    return good;
}
