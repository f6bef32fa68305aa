/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h - `stoa backup`, `stoa restore` and `stoa epoch begin` of a SQLite store. For the shell: it waits. */
#ifndef STORE_SQLITE_BACKUP_H
#define STORE_SQLITE_BACKUP_H

#include "store/sqlite/file.h"
#include "store/store.h"

struct verify;

/* How to go about it. */
struct sqlite_backup {
    struct sqlite_file_watcher watcher;
    struct verify *verify; /* told what is wrong in the copy */
    bool replace;          /* there may be a file of that name */
    bool unsound;          /* what is wrong in the copy does not matter */
};

/* The store at path, at one moment, as one file; a server may be serving it. False: error_r; there is no such file, or
 * the one that was there before. */
bool sqlite_backup(const char *path, const char *file, const struct sqlite_backup *how,
                   struct error *error_r) MUST_CHECK;

struct sqlite_restored {
    char *kept; /* the store that was there; NULL: none was. The caller frees. */
    char epoch[STORE_EPOCH_MAX];
};

/* A copy of the file takes the place of the store at path, in a new epoch; what was there is kept beside it. Refused
 * while a server serves the store. False: error_r; that is there which was. */
bool sqlite_restore(const char *path, const char *file, const struct sqlite_backup *how,
                    struct sqlite_restored *restored_r, struct error *error_r) MUST_CHECK;

/* A new epoch of the store at path. Refused while a server serves it. */
bool sqlite_begin_epoch(const char *path, char epoch_r[STORE_EPOCH_MAX], struct error *error_r) MUST_CHECK;

#endif
