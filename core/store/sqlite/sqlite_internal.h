/* SPDX-License-Identifier: Apache-2.0 */
/* sqlite_internal.h - what the files of the SQLite store share: operations on an open database. */
#ifndef STORE_SQLITE_SQLITE_INTERNAL_H
#define STORE_SQLITE_SQLITE_INTERNAL_H

#include "store/sqlite/db.h"

struct store_message;
struct store_progress;

/* Sets the request's status and results. Call within a transaction. */
void sqlite_perform(struct sqlite_db *db, struct store_request *request);
/* Runs a read in a snapshot of its own. */
void sqlite_read(struct sqlite_db *db, struct store_request *request);
/* One operation each; they set the request's results. */
enum store_status sqlite_append(struct sqlite_db *db, struct store_request *request);
enum store_status sqlite_appended(struct sqlite_db *db, struct store_request *request);
enum store_status sqlite_events(struct sqlite_db *db, struct store_request *request);
enum store_status sqlite_messages(struct sqlite_db *db, struct store_request *request);
enum store_status sqlite_message(struct sqlite_db *db, struct store_request *request);
enum store_status sqlite_heads(struct sqlite_db *db, struct store_request *request);
enum store_status sqlite_channels(struct sqlite_db *db, struct store_request *request);
enum store_status sqlite_users(struct sqlite_db *db, struct store_request *request);
/* Finds by id, or (message_id empty) by message_seq, without reactions. The slices live until the next search of the
 * same kind. False: not found, or damaged. */
bool sqlite_find_message(struct sqlite_db *db, struct slice channel_id, struct slice message_id, int64_t message_seq,
                         struct store_message *message_r);
int64_t sqlite_message_checksum(const struct store_message *message);
/* Sets the event with this number as the request's answer, and message_seq_r to the number of its message. */
bool sqlite_event(struct sqlite_db *db, struct store_request *request, int64_t seq, int64_t *message_seq_r);

/* Migrates from that schema version, or continues an interrupted migration. */
bool sqlite_migrate(struct sqlite_db *db, int64_t version, const struct store_progress *progress) MUST_CHECK;

/* The first column of the first row; -1: no row, or the query failed. */
int64_t sqlite_number(struct sqlite3 *handle, const char *sql);

#endif
