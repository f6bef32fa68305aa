/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h - `stoa backup`, `stoa restore` and `stoa epoch begin` for a SQLite store. For the shell: it blocks. */
#ifndef STORE_SQLITE_BACKUP_H
#define STORE_SQLITE_BACKUP_H

#include "store/sqlite/file.h"
#include "store/store.h"

struct verify;

struct sqlite_backup {
    struct sqlite_file_watcher watcher;
    struct verify *verify; /* gets the findings about the copy */
    bool replace;          /* may overwrite an existing file */
    bool unsound;          /* accepts a damaged copy */
};

/* Copies the store at path, as of one moment, to one file; a server may be serving it. False: error_r; `file` does not
 * exist, or is unchanged. */
bool sqlite_backup(const char *path, const char *file, const struct sqlite_backup *how,
                   struct error *error_r) MUST_CHECK;

struct sqlite_restored {
    char *kept; /* path of the previous store; NULL: there was none. The caller frees. */
    char epoch[STORE_EPOCH_MAX];
};

/* Replaces the store at path by a copy of the file, in a new epoch; the previous store is kept beside it. Refused
 * while a server serves the store. False: error_r; the store is unchanged. */
bool sqlite_restore(const char *path, const char *file, const struct sqlite_backup *how,
                    struct sqlite_restored *restored_r, struct error *error_r) MUST_CHECK;

/* Begins a new epoch of the store at path. Refused while a server serves it. */
bool sqlite_begin_epoch(const char *path, char epoch_r[STORE_EPOCH_MAX], struct error *error_r) MUST_CHECK;

#endif
