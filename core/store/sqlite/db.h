/* SPDX-License-Identifier: Apache-2.0 */
/* db.h - the SQLite file: opened, checked, migrated; statements prepared once. The writer thread's alone, once
 * it runs; the reader thread has another one. core/store only. */
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
    int64_t epoch, now_ms;            /* now: the loop's wall clock when the request at hand was submitted */
    char epoch_text[STORE_EPOCH_MAX]; /* "<number>-<incarnation>" */
    struct lineage lineage;
    struct known_heads *heads;
    enum store_status failure; /* the first one of the request at hand */
    bool found_corrupt;        /* by it */
    atomic_bool is_damaged;    /* any was; the loop looks too */
    int wal_pages, due_pages;  /* of the log; with how many it is to begin anew */
};

extern const char *const sqlite_migrations[]; /* config/sql/sqlite, NULL at the end */

struct store_progress;
/* False: error_r says what is wrong with the file and what to do. progress: of the migration; may be NULL. */
bool sqlite_db_open(struct sqlite_db *db, const char *path, const struct store_progress *progress,
                    struct error *error_r) MUST_CHECK;
/* Would it be opened? Changes nothing. */
bool sqlite_db_check(const char *path, struct error *error_r) MUST_CHECK;
/* The copy of another, which errors name: no server serves it, and it has no lineage yet. */
bool sqlite_db_open_copy(struct sqlite_db *db, const char *path, const char *name, struct error *error_r) MUST_CHECK;
/* The number of the new one is above any that is in the file, and above `above`. */
bool sqlite_db_begin_epoch(struct sqlite_db *db, const char *path, int64_t above, struct error *error_r) MUST_CHECK;
/* A second connection, that only reads. */
bool sqlite_db_open_reader(struct sqlite_db *db, const char *path, const struct sqlite_db *writer,
                           struct error *error_r) MUST_CHECK;
void sqlite_db_close(struct sqlite_db *db);

/* sql: a literal, with ?1, ?2 …; bound afresh. Ends with the caller's last db_step, or with db_end_readings. */
sqlite3_stmt *db_query(struct sqlite_db *db, const char *sql);
/* Whoever left a statement at a row ends there: as long as one reads, the log file cannot begin anew. */
void db_end_readings(struct sqlite_db *db);
/* An empty slice is NULL. */
void db_bind_text(sqlite3_stmt *statement, int index, struct slice text);
void db_bind_integer(sqlite3_stmt *statement, int index, int64_t number);
/* True: a row. False: the end or an error; after an error the request fails. */
bool db_step(struct sqlite_db *db, sqlite3_stmt *statement);
/* For statements without rows: OK, or what the failure means. */
enum store_status db_run(struct sqlite_db *db, sqlite3_stmt *statement);
struct slice db_text(sqlite3_stmt *statement, int column);
/* CRC-32 of texts (SLICE_NONE: none) that belong to the message with this number. SQLite itself does not see a bit that
 * has flipped in one. */
int64_t db_checksum(int64_t message_seq, struct slice text, struct slice more, struct slice most);
/* The column holds that checksum; else the request will be answered UNAVAILABLE, and the log tells. */
bool db_verify(struct sqlite_db *db, sqlite3_stmt *row, int column, int64_t checksum);
/* The head of a channel's log; -1: there is no such channel, or db_status tells. */
int64_t db_head(struct sqlite_db *db, struct slice channel_id);
/* What the last failure means for a request. */
enum store_status db_status(struct sqlite_db *db);
/* When there is much in the log file: moves it into the database, so that the log begins anew. Between transactions.
 * readers: who else of this process reads the database; NULL: nobody does. */
void db_checkpoint(struct sqlite_db *db, struct sqlite_readers *readers);
/* "<number>-<incarnation>" of any epoch in the log. */
void db_epoch_text(struct sqlite_db *db, int64_t number, char *out);

#endif
