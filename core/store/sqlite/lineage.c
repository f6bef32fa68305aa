/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/lineage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/whole_file.h"
#include "store/sqlite/powercut.h"
#include "store/sqlite/sqlite_internal.h"

/* "RUN COMMITS WRITTEN\n", of fixed length: one write replaces it. WRITTEN: the time of writing, in ms. */
enum { FILE_LEN = LINEAGE_RUN_LEN + 1 + 20 + 1 + 20 + 1 };
/* Allowed between reading the clock and the write. */
enum { WRITE_SLACK_MS = 1000 };
/* Followed by "PID\n" of the lock's holder. */
enum { HOLDER_LEN = 11 };
/* Waits for a killed worker to end. */
enum { LOCK_WAIT_MS = 2000, LOCK_STEP_MS = 20 };

static int64_t ms_of(struct timespec time) {
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static bool write_file(const struct lineage *lineage) {
    char text[FILE_LEN + 1];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(text, sizeof text, "%-*s %020" PRId64 " %020" PRId64 "\n", LINEAGE_RUN_LEN, lineage->run, lineage->commits,
             ms_of(now));
    return pwrite(lineage->fd, text, FILE_LEN, 0) == FILE_LEN;
}

/* The file was changed after we wrote it: it was copied or moved. */
static bool was_touched(int fd, int64_t written_ms) {
    struct stat file;
    return fstat(fd, &file) != 0 || ms_of(file.st_ctim) > written_ms + WRITE_SLACK_MS;
}

/* A missing, empty or garbled file names no run; neither does a file that was changed after our last write. Files of
 * older servers have no WRITTEN time. */
static void read_file(struct lineage *lineage) {
    char text[FILE_LEN + 1] = "";
    int64_t written_ms = INT64_MAX - WRITE_SLACK_MS;
    bool whole = pread(lineage->fd, text, FILE_LEN, 0) >= LINEAGE_RUN_LEN && text[0] != ' ' &&
                 sscanf(text, "%22s %20" SCNd64 "%*[ ]%20" SCNd64, lineage->run, &lineage->commits, &written_ms) >= 2;
    if (whole && !was_touched(lineage->fd, written_ms)) return;
    lineage->run[0] = '\0';
    lineage->commits = 0;
}

static int open_file(const char *name, struct error *error_r) {
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) error_set(error_r, "%s: %s", name, strerror(errno));
    return fd;
}

/* A lock on the open file, not the process: two stores in one process exclude each other too. */
static bool try_lock(int fd) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

/* The name still leads to this file: removing the file also removes the lock. */
static bool is_at(int fd, const char *name) {
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(name, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

static void write_holder(const struct lineage *lineage) {
    char text[HOLDER_LEN + 1];
    snprintf(text, sizeof text, "%010d\n", (int)getpid());
    if (!write_file(lineage) || pwrite(lineage->fd, text, HOLDER_LEN, FILE_LEN) != HOLDER_LEN)
        LOG(LOG_WARNING, "store.unnamed", LOG_TEXT("error", strerror(errno)));
}

static void tell_holder(int fd, const char *path, struct error *error_r) {
    char text[HOLDER_LEN + 1] = "";
    bool named = pread(fd, text, HOLDER_LEN, FILE_LEN) == HOLDER_LEN;
    if (named)
        error_set(error_r, "%s: another server has it open: process %ld", path, strtol(text, NULL, 10));
    else
        error_set(error_r, "%s: another server has it open", path);
}

static bool lock_file(struct lineage *lineage, const char *name, const char *path, struct error *error_r) {
    for (unsigned waited_ms = 0;; waited_ms += LOCK_STEP_MS) {
        lineage->fd = open_file(name, error_r);
        if (lineage->fd < 0) return false;
        if (try_lock(lineage->fd) && is_at(lineage->fd, name)) break;
        if (waited_ms >= LOCK_WAIT_MS) {
            tell_holder(lineage->fd, path, error_r);
            lineage_done(lineage);
            return false;
        }
        lineage_done(lineage);
        nanosleep(&(struct timespec){.tv_nsec = LOCK_STEP_MS * 1000000}, NULL);
    }
    read_file(lineage); /* writing the holder's number changes the file's time */
    write_holder(lineage);
    return true;
}

bool lineage_lock(struct lineage *lineage, const char *path, struct error *error_r) {
    struct buffer name = {0};
    if (strcmp(path, ":memory:") == 0) return true;
    buffer_printf(&name, "%s.incarnation%c", path, '\0');
    bool good = lock_file(lineage, name.ptr, path, error_r);
    buffer_done(&name);
    return good;
}

static bool read_database(sqlite3 *handle, char run[LINEAGE_RUN_LEN + 1], int64_t *commits_r) {
    sqlite3_stmt *row;
    bool found = false;
    if (sqlite3_prepare_v2(handle, "SELECT run, commits FROM lineage", -1, &row, NULL) != SQLITE_OK) return false;
    if (sqlite3_step(row) == SQLITE_ROW) {
        found = true;
        snprintf(run, LINEAGE_RUN_LEN + 1, "%s", (const char *)sqlite3_column_text(row, 0));
        *commits_r = sqlite3_column_int64(row, 1);
    }
    return sqlite3_finalize(row) == SQLITE_OK && found;
}

/* The commits in the file alone: a connection that treats the file as immutable ignores the WAL. -1: not readable.
 */
static int64_t commits_in_file(const char *path) {
    struct buffer uri = {0};
    sqlite3 *handle = NULL;
    int64_t commits = -1;
    buffer_append_str(&uri, "file:");
    for (const char *at = path; *at; at++)
        if (strchr("?#%", *at))
            buffer_printf(&uri, "%%%02x", *at);
        else
            buffer_append_char(&uri, *at);
    buffer_printf(&uri, "?immutable=1%c", '\0');
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(uri.ptr, &handle, flags, powercut_vfs()) == SQLITE_OK)
        commits = sqlite_number(handle, "SELECT commits FROM lineage");
    sqlite3_close(handle);
    buffer_done(&uri);
    return commits;
}

bool lineage_log_fits(sqlite3 *handle, const char *path, struct error *error_r) {
    int64_t checkpointed = sqlite_number(handle, "SELECT checkpointed FROM lineage");
    int64_t commits = checkpointed > 0 && strcmp(path, ":memory:") != 0 ? commits_in_file(path) : -1;
    if (commits < 0 || commits >= checkpointed) return true;
    error_set(error_r, "%s: is older than the log beside it, %s-wal, which would damage it: move that and %s-shm away",
              path, path, path);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return false;
}

bool lineage_open(struct lineage *lineage, sqlite3 *handle, const char *path, bool *is_ours_r, struct error *error_r) {
    char run[LINEAGE_RUN_LEN + 1] = "";
    int64_t commits = 0;
    if (!read_database(handle, run, &commits)) {
        error_set(error_r, "%s: cannot be read: %s", path, sqlite3_errmsg(handle));
        return false;
    }
    *is_ours_r = true;
    if (lineage->fd >= 0) {
        *is_ours_r = run[0] && strcmp(run, lineage->run) == 0 && commits >= lineage->commits;
        if (!*is_ours_r && run[0])
            LOG_ALWAYS(LOG_WARNING, "store.restored", LOG_TEXT("path", path), LOG_NUMBER("commits", commits),
                       LOG_NUMBER("commits_expected", lineage->commits));
    }
    lineage->commits = commits;
    lineage->checkpointed = lineage->fd >= 0 ? commits_in_file(path) : -1;
    return true;
}

static bool flush(const struct lineage *lineage, const char *path) {
    return write_file(lineage) && fsync(lineage->fd) == 0 && whole_file_sync_folder(path);
}

bool lineage_adopt(struct lineage *lineage, sqlite3 *handle, const char *path, struct error *error_r) {
    char run[LINEAGE_RUN_LEN + 1];
    lineage->checkpointed = 0;
    if (read_database(handle, run, &lineage->commits)) return lineage_begin(lineage, handle, path, error_r);
    error_set(error_r, "%s: cannot be read: %s", path, sqlite3_errmsg(handle));
    return false;
}

bool lineage_begin(struct lineage *lineage, sqlite3 *handle, const char *path, struct error *error_r) {
    char sql[160];
    id_random(lineage->run, LINEAGE_RUN_LEN);
    lineage->commits++;
    snprintf(sql, sizeof sql,
             "UPDATE lineage SET run = '%s', commits = %" PRId64 ", checkpointed = max(0, %" PRId64 ")", lineage->run,
             lineage->commits, lineage->checkpointed);
    if (sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK) {
        error_set(error_r, "%s: cannot be written: %s", path, sqlite3_errmsg(handle));
        return false;
    }
    if (lineage->fd < 0 || flush(lineage, path)) return true;
    error_set(error_r, "%s.incarnation: cannot be written: %s", path, strerror(errno));
    return false;
}

void lineage_counted(struct lineage *lineage) {
    lineage->commits++;
    /* A simulated power cut also loses this unflushed count. If the write fails, the count stays too low. */
    if (lineage->fd < 0 || powercut_vfs() || write_file(lineage)) return;
    LOG(LOG_WARNING, "store.uncounted", LOG_TEXT("error", strerror(errno)));
}

void lineage_done(struct lineage *lineage) {
    if (lineage->fd >= 0) close(lineage->fd);
    lineage->fd = -1;
}
