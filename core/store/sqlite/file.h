/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - accesses a SQLite store that a server may be serving. For the shell: it blocks. */
#ifndef STORE_SQLITE_FILE_H
#define STORE_SQLITE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct sqlite3;

/* Opens for reading; leaves the files beside it unchanged. False: error_r; close the handle in that case too. */
bool sqlite_file_open(const char *path, struct sqlite3 **handle_r, struct error *error_r) MUST_CHECK;

/* True: it has tables, but not ours. */
bool sqlite_file_is_foreign(struct sqlite3 *handle);
/* The schema's version; 0: not our store, or of a later version of the program (error_r). */
int64_t sqlite_file_version(struct sqlite3 *handle, const char *path, struct error *error_r);
/* Is there a store at path? */
bool sqlite_file_check(const char *path, struct error *error_r) MUST_CHECK;

/* Gets the progress of a copy; returning false stops it. */
struct sqlite_file_watcher {
    bool (*copied)(void *owner, int64_t pages, int64_t of);
    void *owner;
};

/* Copies `from`, as of one moment, into the empty file `to`, which needs no WAL; writers of `from` go on. Not
 * flushed. */
bool sqlite_file_copy(const char *from, const char *to, const struct sqlite_file_watcher *watcher,
                      struct error *error_r) MUST_CHECK;

/* A summary of a store, for people. */
struct sqlite_file_summary {
    int64_t channels, messages, newest_ms; /* newest_ms 0: no message */
    int64_t epoch;                         /* its number; 0: none yet */
};
bool sqlite_file_summarize(const char *path, struct sqlite_file_summary *summary_r, struct error *error_r) MUST_CHECK;

#endif
