/* SPDX-License-Identifier: Apache-2.0 */
/* The writes of a batch are one transaction. If one fails halfway, all are repeated, each under a savepoint, so that
 * only the bad one fails. */
#include "store/sqlite/writer.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/monotonic.h"
#include "store/sqlite/sqlite_internal.h"

static bool execute(struct sqlite_db *db, const char *sql) {
    return db_run(db, db_query(db, sql)) == STORE_OK;
}

static bool within_transaction(const struct sqlite_db *db) {
    return !sqlite3_get_autocommit(db->handle);
}

/* The transaction's next append continues from this head. */
static void stage(struct sqlite_db *db, const struct store_request *request) {
    if (request->op == STORE_APPEND && !request->append.duplicate_r)
        known_heads_stage(db->heads, request->channel_id, request->at.seq);
}

/* A planted fault: the head moves although nothing was stored. */
static void stage_refused(struct sqlite_db *db, const struct store_request *request) {
    if (fault_planted("refused_is_counted") && request->op == STORE_APPEND)
        known_heads_stage(db->heads, request->channel_id, db_head(db, request->channel_id) + 1);
}

/* False: the write failed after it changed something, or the whole transaction was rolled back. */
static bool write_bare(struct sqlite_db *db, struct store_request *request) {
    int changes = sqlite3_total_changes(db->handle);
    sqlite_perform(db, request);
    if (request->status == STORE_OK)
        stage(db, request);
    else
        stage_refused(db, request);
    bool clean = request->status == STORE_OK || sqlite3_total_changes(db->handle) == changes;
    return clean && within_transaction(db);
}

/* A failed write does not affect the others of its batch. False: the whole transaction was rolled back. */
static bool write_guarded(struct sqlite_db *db, struct store_request *request) {
    if (!execute(db, "SAVEPOINT one")) return false;
    store_request_unanswer(request);
    sqlite_perform(db, request);
    if (request->status == STORE_OK)
        stage(db, request);
    else if (within_transaction(db))
        execute(db, "ROLLBACK TO one");
    return within_transaction(db) && execute(db, "RELEASE one");
}

static bool write_all(struct sqlite_db *db, struct list *batch,
                      bool (*write_one)(struct sqlite_db *db, struct store_request *request)) {
    bool good = execute(db, "BEGIN IMMEDIATE");
    LIST_EACH(batch, link) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (good && store_is_write(request->op)) good = write_one(db, request);
    }
    return good;
}

static void roll_back(struct sqlite_db *db) {
    known_heads_forget(db->heads);
    if (within_transaction(db)) execute(db, "ROLLBACK");
}

/* After a rollback no answer holds: verdicts too were based on the lost transaction. */
static void fail_writes(struct list *batch, enum store_status status) {
    LIST_EACH(batch, link) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (!store_is_write(request->op) || request->status == STORE_BAD) continue;
        request->status = status;
        store_request_unanswer(request);
    }
}

/* Fails when another server has begun to write to this database. */
static bool count_commit(struct sqlite_db *db) {
    sqlite3_stmt *count = db_query(db, "UPDATE lineage SET commits = ?1, checkpointed = ?3 WHERE run = ?2");
    db_bind_integer(count, 1, db->lineage.commits + 1);
    db_bind_text(count, 2, slice_of(db->lineage.run));
    db_bind_integer(count, 3, db->lineage.checkpointed);
    if (db_run(db, count) != STORE_OK) return false;
    if (sqlite3_changes(db->handle) == 1) return true;
    LOG(LOG_ERROR, "store.taken_over", LOG_TEXT("run", db->lineage.run));
    return false;
}

static bool commit(struct sqlite_db *db) {
    if (!execute(db, "COMMIT")) return false;
    known_heads_publish(db->heads);
    lineage_counted(&db->lineage);
    return true;
}

struct sqlite_transaction sqlite_write_batch(struct sqlite_db *db, struct list *batch) {
    struct sqlite_transaction transaction = {.began_us = monotonic_us()};
    LIST_EACH(batch, link) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (!store_is_write(request->op)) continue;
        request->status = STORE_UNAVAILABLE;
        transaction.waited_us += transaction.began_us - (uint64_t)request->driver.submitted_us;
        transaction.writes++;
    }
    if (transaction.writes == 0) return transaction;
    transaction.is_good = write_all(db, batch, write_bare);
    if (!transaction.is_good) {
        roll_back(db);
        transaction.is_good = write_all(db, batch, write_guarded);
    }
    if (transaction.is_good) transaction.is_good = count_commit(db);
    return transaction;
}

void sqlite_commit_batch(struct sqlite_db *db, const struct sqlite_transaction *transaction, struct list *batch,
                         struct sqlite_commits *commits) {
    if (transaction->writes == 0) return;
    db_end_readings(db);
    if (transaction->is_good && commit(db)) {
        commits->n++;
        commits->waited_us += transaction->waited_us;
        commits->took_us += monotonic_us() - transaction->began_us;
        return;
    }
    enum store_status status = db_status(db);
    roll_back(db);
    fail_writes(batch, status == STORE_OK ? STORE_UNAVAILABLE : status);
}
