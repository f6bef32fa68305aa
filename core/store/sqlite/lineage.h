/* SPDX-License-Identifier: Apache-2.0 */
/* lineage.h - tells whether this database is the one that the last run left.
 *
 * The file PATH.incarnation beside it holds the last start's random id and a count of the commits; the database holds
 * both too. A database with another id, or with fewer commits than counted, is a backup or has lost its end (a
 * truncated WAL): acknowledged numbers may be given out again, so they get a new epoch. The count is written after
 * each commit and not flushed: a power cut leaves it too low, which is harmless. The file also holds the time when it
 * was written. If the file system shows a later time, the file was copied back together with its database, and does
 * not count commits acknowledged after the copy was made. (A power cut may look the same: some file systems flush the
 * modification time before the contents. That costs an extra epoch, which resets no client.)
 *
 * The server that serves the database holds a lock on that file. If the file is removed and a second server starts,
 * the first one's commits find another run id in the database, and fail.
 */
#ifndef STORE_SQLITE_LINEAGE_H
#define STORE_SQLITE_LINEAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct sqlite3;

enum { LINEAGE_RUN_LEN = 22 };

struct lineage {
    int fd; /* PATH.incarnation; -1: a database in memory */
    char run[LINEAGE_RUN_LEN + 1];
    int64_t commits;
    int64_t checkpointed; /* how many of the commits are in the database file itself, not only in its WAL */
};

/* Call first. False: another server has the database open; error_r names it. */
bool lineage_lock(struct lineage *lineage, const char *path, struct error *error_r) MUST_CHECK;
/* False: the WAL beside the file belongs to a later state of the file, so they cannot be used together. Closing the
 * handle leaves both unchanged. Call before any other use of the handle. */
bool lineage_log_fits(struct sqlite3 *handle, const char *path, struct error *error_r) MUST_CHECK;
/* is_ours_r: the database continues what the last run left. */
bool lineage_open(struct lineage *lineage, struct sqlite3 *handle, const char *path, bool *is_ours_r,
                  struct error *error_r) MUST_CHECK;
/* Records this start in both places. A crash between the two costs an extra epoch, nothing else. */
bool lineage_begin(struct lineage *lineage, struct sqlite3 *handle, const char *path, struct error *error_r) MUST_CHECK;
/* The same for a database that is about to replace the one at path, whose lock this process holds. */
bool lineage_adopt(struct lineage *lineage, struct sqlite3 *handle, const char *path, struct error *error_r) MUST_CHECK;
/* Call after each commit; the transaction must have set the database's count to commits + 1. */
void lineage_counted(struct lineage *lineage);
void lineage_done(struct lineage *lineage);

#endif
