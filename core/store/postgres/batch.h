/* SPDX-License-Identifier: Apache-2.0 */
/* batch.h - a batch: appends of several channels sent to a shard in one call, one transaction, one round trip.
 */
#ifndef STORE_POSTGRES_BATCH_H
#define STORE_POSTGRES_BATCH_H

#include "store/postgres/postgres_internal.h"

enum { APPEND_DEADLINE_MS = 5000, BATCH_MAX = 64, BATCH_BYTES_MAX = 4 << 20 };

/* An append, or a read that waits for one. */
struct batch_entry {
    struct list link; /* in its lane; unlinked while in a batch */
    struct list age;  /* in the appender's list, ordered by due_ms */
    struct lane *lane;
    struct store_request *request; /* NULL, in a batch: its deadline passed and it was answered */
    uint64_t due_ms;
};
void entry_free(struct batch_entry *entry);

/* The pending entries of one channel. */
struct lane {
    struct list link; /* in the list of lanes that may go into a batch */
    struct list entries;
    bool in_batch;
    bool is_hot; /* someone else holds the lock on its head */
    size_t id_len;
    char id[];
};

enum batch_end {
    BATCH_DONE,
    BATCH_AGAIN, /* the remaining entries may have been committed, or were not sent: send them again after a delay */
    BATCH_STALE  /* as BATCH_AGAIN, and the shard's epoch is over */
};

struct batch {
    struct shard *shard;
    void (*ended)(struct batch *batch, enum batch_end end);
    void *owner;
    bool hot;                               /* for channels whose heads were locked */
    bool waits;                             /* waits for a lock that is not free at once */
    bool locked_any;                        /* it got a lock */
    bool of_changes;                        /* edits, deletes, reactions: they use another SQL function than messages */
    struct batch_entry *entries[BATCH_MAX]; /* NULL: answered */
    struct lane *lanes[BATCH_MAX];
    unsigned len, from, to;             /* from, to: range of the current call */
    unsigned sent[BATCH_MAX], sent_len; /* the entries in the current call */
    size_t bytes;
    uint64_t sent_ms, called_ms; /* called: start of the current call */
    struct query *answer;        /* set while waiting for proof that a standby has the commit; else NULL */
    int64_t epoch;               /* the epoch it was sent in */
    char epoch_text[STORE_EPOCH_MAX];
};

struct batch *batch_new(struct shard *shard, bool hot, void (*ended)(struct batch *batch, enum batch_end end),
                        void *owner);
void batch_free(struct batch **batch);
/* Is there space, and does the entry match the batch's kind? An empty batch takes the kind of its first entry. */
bool batch_takes(const struct batch *batch, const struct batch_entry *entry);
/* Moves the entry from its lane into the batch. */
void batch_add(struct batch *batch, struct batch_entry *entry, struct lane *lane);
/* ended is called once, later, from the loop; return entries that are not NULL by then to their lanes. */
void batch_send(struct batch *batch);

#endif
