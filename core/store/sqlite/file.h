/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - a SQLite store from outside of the server that may be serving it. For the shell: it waits. */
#ifndef STORE_SQLITE_FILE_H
#define STORE_SQLITE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct sqlite3;

/* For reading; the files beside it stay as they are. False: error_r; close it also then. */
bool sqlite_file_open(const char *path, struct sqlite3 **handle_r, struct error *error_r) MUST_CHECK;

/* Has it tables, and not ours? */
bool sqlite_file_is_foreign(struct sqlite3 *handle);
/* The version of the schema; 0: it is no store of ours, or of a later program (error_r). */
int64_t sqlite_file_version(struct sqlite3 *handle, const char *path, struct error *error_r);
/* Is there a store at path? */
bool sqlite_file_check(const char *path, struct error *error_r) MUST_CHECK;

/* Whoever is told how much of a copy there is; false ends it. */
struct sqlite_file_watcher {
    bool (*copied)(void *owner, int64_t pages, int64_t of);
    void *owner;
};

/* What `from` holds at one moment, as one file without a log beside it, into the empty file `to`; whoever writes to
 * `from` goes on. Not flushed. */
bool sqlite_file_copy(const char *from, const char *to, const struct sqlite_file_watcher *watcher,
                      struct error *error_r) MUST_CHECK;

/* What a store holds, for people. */
struct sqlite_file_summary {
    int64_t channels, messages, newest_ms; /* newest_ms 0: no message */
    int64_t epoch;                         /* its number; 0: none yet */
};
bool sqlite_file_summarize(const char *path, struct sqlite_file_summary *summary_r, struct error *error_r) MUST_CHECK;

#endif
