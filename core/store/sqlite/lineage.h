/* SPDX-License-Identifier: Apache-2.0 */
/* lineage.h - is this database the one that we left?
 *
 * Beside it stands PATH.incarnation: the last start's random id and a count of the commits; both are in the database
 * too. A database with another id, or with fewer commits than were counted, is a backup or has lost its end (a log that
 * was cut): numbers that were acknowledged may be given out again, so they get a new epoch. The count is written after
 * each commit and not flushed: a power cut leaves it too low, which is harmless. When it was written is in the file
 * too: one that was changed later, by the system's account, was copied back beside its database, and says nothing of
 * what was acknowledged since the copy was made. (A power cut may look so as well: some file systems flush when a file
 * was changed before they flush what is in it. That costs an epoch more, which resets nobody.)
 *
 * Whoever serves the database holds a lock on that file. Were the file removed, and a second server started, the first
 * one's commits would find another run in the database, and fail.
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
    int64_t checkpointed; /* as many of them are in the database's file itself, not in its log only */
};

/* First: false while another server has the database open; error_r names it. */
bool lineage_lock(struct lineage *lineage, const char *path, struct error *error_r) MUST_CHECK;
/* False: the log beside the file belongs to a later state of it, so that together they are none. They stay as they are
 * when the handle is closed. Before anything else is done with it. */
bool lineage_log_fits(struct sqlite3 *handle, const char *path, struct error *error_r) MUST_CHECK;
/* is_ours_r: the database continues what we left. */
bool lineage_open(struct lineage *lineage, struct sqlite3 *handle, const char *path, bool *is_ours_r,
                  struct error *error_r) MUST_CHECK;
/* This start, in both places. A crash between them costs an epoch more, and nothing else. */
bool lineage_begin(struct lineage *lineage, struct sqlite3 *handle, const char *path, struct error *error_r) MUST_CHECK;
/* The same for a database that is about to take the place of the one at path, whose lock we have. */
bool lineage_adopt(struct lineage *lineage, struct sqlite3 *handle, const char *path, struct error *error_r) MUST_CHECK;
/* After each commit, whose transaction has set the database's count to commits + 1. */
void lineage_counted(struct lineage *lineage);
void lineage_done(struct lineage *lineage);

#endif
