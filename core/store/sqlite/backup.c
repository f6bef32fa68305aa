/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/backup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/whole_file.h"
#include "store/sqlite/db.h"
#include "store/sqlite/verify.h"
#include "store/verify.h"

enum { KEPT_MAX = 100 /* number of restores in one second */ };

static char *suffixed(const char *path, const char *suffix) {
    struct buffer name = {0};
    buffer_printf(&name, "%s%s", path, suffix);
    return buffer_take(&name, NULL);
}

/* Verifies the copy. */
static bool verify_copy(const char *copy, const char *name, const struct sqlite_backup *how, struct error *error_r) {
    if (!sqlite_verify(copy, how->verify, error_r)) return false;
    if (how->verify->findings == 0 || how->unsound) return true;
    error_set(error_r, "%s: refused because it is damaged (--unsound accepts it)", name);
    return false;
}

static bool is_same(const char *path, const char *other) {
    struct stat one, two;
    return stat(path, &one) == 0 && stat(other, &two) == 0 && one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

bool sqlite_backup(const char *path, const char *file, const struct sqlite_backup *how, struct error *error_r) {
    struct whole_file whole;
    if (is_same(path, file)) {
        error_set(error_r, "%s: is the store itself", file);
        return false;
    }
    if (!how->replace && access(file, F_OK) == 0) {
        error_set(error_r, "%s: is there already (--force replaces it)", file);
        return false;
    }
    bool good = whole_file_begin(&whole, file, error_r) &&
                sqlite_file_copy(path, whole.partial, &how->watcher, error_r) &&
                verify_copy(whole.partial, file, how, error_r) && whole_file_put(&whole, how->replace, error_r);
    whole_file_done(&whole);
    return good;
}

/* ---- restore */

/* root gives the new file to the store's owner. */
static bool give(int fd, const char *path, struct error *error_r) {
    struct stat there;
    if (geteuid() != 0) return true;
    char *folder = memory_copy(path, strlen(path)), *end = strrchr(folder, '/');
    strcpy(end && end > folder ? end : folder, end && end > folder ? "" : end ? "/" : ".");
    bool good = (stat(path, &there) == 0 || stat(folder, &there) == 0) && fchown(fd, there.st_uid, there.st_gid) == 0;
    if (!good) error_set(error_r, "%s: cannot be given to the store's owner: %s", path, strerror(errno));
    free(folder);
    return good;
}

/* Whoever closes a database last moves its WAL into it. A file that cannot be read keeps its WAL; so does one beside
 * which the WAL of another file lies. */
static void settle_log(const char *path) {
    sqlite3 *handle = NULL;
    if (access(path, F_OK) == 0 && sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        lineage_log_fits(handle, path, NULL))
        sqlite3_exec(handle, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL);
    sqlite3_close(handle);
}

/* Gives the file a second name; the first name stays until another file replaces it. */
static bool keep_file(const char *from, const char *to) {
    return link(from, to) == 0 || (errno == EPERM && rename(from, to) == 0);
}

/* Keeps the store under another name: with the time, and a number if that name is taken. NULL: error_r. */
static char *keep(const char *path, struct error *error_r) {
    char stamp[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
    for (unsigned i = 1; i <= KEPT_MAX; i++) {
        struct buffer name = {0};
        buffer_printf(&name, i == 1 ? "%s.before-%s" : "%s.before-%s-%u", path, stamp, i);
        char *kept = buffer_take(&name, NULL);
        if (keep_file(path, kept)) return kept;
        free(kept);
        if (errno != EEXIST) break;
    }
    error_set(error_r, "%s: cannot be kept: %s", path, strerror(errno));
    return NULL;
}

/* Moves the "-wal" or "-shm" of the old store: SQLite would use it for the new one. */
static bool move_beside(const char *from, const char *to, const char *suffix, struct error *error_r) {
    char *source = suffixed(from, suffix), *target = suffixed(to, suffix);
    bool good = rename(source, target) == 0 || errno == ENOENT;
    if (!good) error_set(error_r, "%s: cannot be kept: %s", source, strerror(errno));
    free(source);
    free(target);
    return good;
}

static bool keep_log(const char *path, const char *kept, struct error *error_r) {
    if (!move_beside(path, kept, "-wal", error_r)) return false;
    if (move_beside(path, kept, "-shm", error_r)) return true;
    return move_beside(kept, path, "-wal", NULL) && false;
}

/* One rename makes the change; each step before it can be undone. */
static bool swap(const char *path, struct whole_file *copy, char **kept_r, struct error *error_r) {
    char *kept = NULL;
    settle_log(path);
    if (access(path, F_OK) == 0 && !(kept = keep(path, error_r))) return false;
    bool good = (!kept || keep_log(path, kept, error_r)) && whole_file_put(copy, true, error_r);
    if (good) {
        *kept_r = kept;
        return true;
    }
    if (kept && copy->partial && move_beside(kept, path, "-wal", NULL) && move_beside(kept, path, "-shm", NULL) &&
        access(path, F_OK) == 0)
        unlink(kept);
    free(kept);
    return false;
}

/* The epoch of the existing store; 0: it cannot be read. */
static int64_t epoch_at(const char *path) {
    struct sqlite_file_summary summary = {0};
    return sqlite_file_summarize(path, &summary, NULL) ? summary.epoch : 0;
}

/* Prepares the copy: verified, with this schema, in an epoch that no client of the store at path has seen. */
static bool prepare(const char *path, const char *copy, const char *file, const struct sqlite_backup *how,
                    struct lineage *lineage, char epoch_r[STORE_EPOCH_MAX], struct error *error_r) {
    struct sqlite_db db;
    bool good = sqlite_db_open_copy(&db, copy, file, error_r) && verify_copy(copy, file, how, error_r) &&
                sqlite_db_begin_epoch(&db, file, epoch_at(path), error_r) &&
                lineage_adopt(lineage, db.handle, path, error_r);
    memcpy(epoch_r, db.epoch_text, STORE_EPOCH_MAX);
    sqlite_db_close(&db);
    return good;
}

bool sqlite_restore(const char *path, const char *file, const struct sqlite_backup *how,
                    struct sqlite_restored *restored_r, struct error *error_r) {
    struct lineage lineage = {.fd = -1};
    struct whole_file whole = {.fd = -1};
    *restored_r = (struct sqlite_restored){0};
    bool good = sqlite_file_check(file, error_r) && lineage_lock(&lineage, path, error_r) &&
                give(lineage.fd, path, error_r) && whole_file_begin(&whole, path, error_r) &&
                sqlite_file_copy(file, whole.partial, &how->watcher, error_r) &&
                prepare(path, whole.partial, file, how, &lineage, restored_r->epoch, error_r) &&
                give(whole.fd, path, error_r) && swap(path, &whole, &restored_r->kept, error_r);
    whole_file_done(&whole);
    lineage_done(&lineage);
    return good;
}

bool sqlite_begin_epoch(const char *path, char epoch_r[STORE_EPOCH_MAX], struct error *error_r) {
    struct sqlite_db db = {.lineage.fd = -1};
    bool good = access(path, F_OK) == 0;
    if (!good) {
        error_set(error_r, "%s: %s", path, strerror(errno));
        return false;
    }
    good = sqlite_db_open(&db, path, NULL, error_r) && sqlite_db_begin_epoch(&db, path, 0, error_r);
    memcpy(epoch_r, db.epoch_text, STORE_EPOCH_MAX);
    sqlite_db_close(&db);
    return good;
}
