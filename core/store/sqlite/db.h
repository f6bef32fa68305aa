/* SPDX-License-Identifier: Apache-2.0 */
/* db.h - the SQLite file: opens, checks and migrates it; prepares statements once. Used only by the writer thread once
 * that runs; the reader thread has one of its own. core/store only. */
#ifndef STORE_SQLITE_DB_H
#define STORE_SQLITE_DB_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "store/sqlite/known_heads.h"
#include "store/sqlite/lineage.h"
#include "store/sqlite/readers.h"
#include "store/store_driver.h"

enum { DB_STATEMENTS_MAX = 96 };

struct sqlite_db {
    sqlite3 *handle;
    struct {
        const char *sql; /* the literal's address is the key */
        sqlite3_stmt *statement;
    } statements[DB_STATEMENTS_MAX];
    int64_t epoch, now_ms;            /* now: the loop's wall clock when the current request was submitted */
    char epoch_text[STORE_EPOCH_MAX]; /* "<number>-<incarnation>" */
    struct lineage lineage;
    struct known_heads *heads;
    enum store_status failure; /* the first failure of the current request */
    bool found_corrupt;        /* during the current request */
    atomic_bool is_damaged;    /* any request found damage; the loop reads this too */
    int wal_pages, due_pages;  /* in the WAL; at due_pages it should be reset */
};

extern const char *const sqlite_migrations[]; /* config/sql/sqlite, NULL at the end */

struct store_progress;
/* False: error_r says what is wrong with the file and what to do. progress: for the migration; may be NULL. */
bool sqlite_db_open(struct sqlite_db *db, const char *path, const struct store_progress *progress,
                    struct error *error_r) MUST_CHECK;
/* Would sqlite_db_open succeed? Changes nothing. */
bool sqlite_db_check(const char *path, struct error *error_r) MUST_CHECK;
/* Opens a copy; errors name the original, `name`. No server serves the copy, and it has no lineage yet. */
bool sqlite_db_open_copy(struct sqlite_db *db, const char *path, const char *name, struct error *error_r) MUST_CHECK;
/* The new number is above every number in the file, and above `above`. */
bool sqlite_db_begin_epoch(struct sqlite_db *db, const char *path, int64_t above, struct error *error_r) MUST_CHECK;
/* A second, read-only connection. */
bool sqlite_db_open_reader(struct sqlite_db *db, const char *path, const struct sqlite_db *writer,
                           struct error *error_r) MUST_CHECK;
void sqlite_db_close(struct sqlite_db *db);

/* sql: a literal, with ?1, ?2 …; all bindings are reset. The statement ends with its last db_step, or with
 * db_end_readings. */
sqlite3_stmt *db_query(struct sqlite_db *db, const char *sql);
/* Resets statements left at a row: an open read keeps the WAL from being reset. */
void db_end_readings(struct sqlite_db *db);
/* An empty slice binds NULL. */
void db_bind_text(sqlite3_stmt *statement, int index, struct slice text);
void db_bind_integer(sqlite3_stmt *statement, int index, int64_t number);
/* True: a row. False: the end or an error; after an error the request fails. */
bool db_step(struct sqlite_db *db, sqlite3_stmt *statement);
/* For statements without rows: OK, or the status for the failure. */
enum store_status db_run(struct sqlite_db *db, sqlite3_stmt *statement);
struct slice db_text(sqlite3_stmt *statement, int column);
/* CRC-32 of texts (SLICE_NONE: none) of the message with this number. SQLite itself does not detect a flipped bit in a
 * text. */
int64_t db_checksum(int64_t message_seq, struct slice text, struct slice more, struct slice most);
/* True: the column holds that checksum. False: the request is answered UNAVAILABLE, and the damage is logged. */
bool db_verify(struct sqlite_db *db, sqlite3_stmt *row, int column, int64_t checksum);
/* The head of a channel's log; -1: no such channel, or a failure (db_status). */
int64_t db_head(struct sqlite_db *db, struct slice channel_id);
/* The status for the last failure. */
enum store_status db_status(struct sqlite_db *db);
/* When the WAL is large: moves it into the database, so that it can be reset. Call between transactions. readers: the
 * other readers of the database in this process; NULL: none. */
void db_checkpoint(struct sqlite_db *db, struct sqlite_readers *readers);
/* "<number>-<incarnation>" of any epoch in the log. */
void db_epoch_text(struct sqlite_db *db, int64_t number, char *out);

#endif
