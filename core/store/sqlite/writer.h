/* SPDX-License-Identifier: Apache-2.0 */
/* writer.h - the group commit of the SQLite store's writer thread. */
#ifndef STORE_SQLITE_WRITER_H
#define STORE_SQLITE_WRITER_H

#include "store/sqlite/db.h"

/* How the group commit went. */
struct sqlite_commits {
    unsigned n;
    uint64_t waited_us; /* its writes, from their submission to the beginning of their transaction */
    uint64_t took_us;   /* from there to the end of the flush */
};

struct sqlite_transaction {
    unsigned writes;
    bool is_good;
    uint64_t began_us, waited_us;
};

/* The writes of the batch, and their answers, but for the commit. Reads are left alone. */
struct sqlite_transaction sqlite_write_batch(struct sqlite_db *db, struct list *batch);
/* Success is counted; otherwise the writes of the batch are answered anew. */
void sqlite_commit_batch(struct sqlite_db *db, const struct sqlite_transaction *transaction, struct list *batch,
                         struct sqlite_commits *commits);

#endif
