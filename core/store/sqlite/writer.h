/* SPDX-License-Identifier: Apache-2.0 */
/* writer.h - the group commit of the SQLite store's writer thread. */
#ifndef STORE_SQLITE_WRITER_H
#define STORE_SQLITE_WRITER_H

#include "store/sqlite/db.h"

/* Figures of the group commit. */
struct sqlite_commits {
    unsigned n;
    uint64_t waited_us; /* total time from a write's submission to the start of its transaction */
    uint64_t took_us;   /* from the start of the transaction to the end of the flush */
};

struct sqlite_transaction {
    unsigned writes;
    bool is_good;
    uint64_t began_us, waited_us;
};

/* Runs and answers the writes of the batch, without committing. Skips reads. */
struct sqlite_transaction sqlite_write_batch(struct sqlite_db *db, struct list *batch);
/* Commits. Success is counted; after a failure, the writes of the batch get a new answer. */
void sqlite_commit_batch(struct sqlite_db *db, const struct sqlite_transaction *transaction, struct list *batch,
                         struct sqlite_commits *commits);

#endif
