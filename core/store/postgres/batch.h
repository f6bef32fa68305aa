/* SPDX-License-Identifier: Apache-2.0 */
/* batch.h - appends of several channels on their way to a shard, as one call, one transaction, one round trip.
 */
#ifndef STORE_POSTGRES_BATCH_H
#define STORE_POSTGRES_BATCH_H

#include "store/postgres/postgres_internal.h"

enum { APPEND_DEADLINE_MS = 5000, BATCH_MAX = 64, BATCH_BYTES_MAX = 4 << 20 };

/* An append, or a read that waits behind one. */
struct batch_entry {
    struct list link; /* of its lane; alone while it is in a batch */
    struct list age;  /* of the appender's, by due_ms */
    struct lane *lane;
    struct store_request *request; /* NULL, in a batch: its deadline passed, and it was answered */
    uint64_t due_ms;
};
void entry_free(struct batch_entry *entry);

/* A channel that something is under way for. */
struct lane {
    struct list link; /* of the lanes that may go into a batch */
    struct list entries;
    bool in_batch;
    bool is_hot; /* someone else holds the lock of its head */
    size_t id_len;
    char id[];
};

enum batch_end {
    BATCH_DONE,
    BATCH_AGAIN, /* what is left in it may have been committed, or was not sent: send it again, after a while */
    BATCH_STALE  /* the same; the shard's epoch is over */
};

struct batch {
    struct shard *shard;
    void (*ended)(struct batch *batch, enum batch_end end);
    void *owner;
    bool hot;                               /* of channels whose heads were locked */
    bool waits;                             /* for a lock, when it gets none at once */
    bool locked_any;                        /* it got one */
    bool of_changes;                        /* edits, deletes, reactions: another function than messages */
    struct batch_entry *entries[BATCH_MAX]; /* NULL: answered */
    struct lane *lanes[BATCH_MAX];
    unsigned len, from, to;             /* from, to: of the call under way */
    unsigned sent[BATCH_MAX], sent_len; /* which of them are in it */
    size_t bytes;
    uint64_t sent_ms, called_ms; /* called: the call under way */
    struct query *answer;        /* while it is confirmed that its commit waited for a standby; else NULL */
    int64_t epoch;               /* that it was sent in */
    char epoch_text[STORE_EPOCH_MAX];
};

struct batch *batch_new(struct shard *shard, bool hot, void (*ended)(struct batch *batch, enum batch_end end),
                        void *owner);
void batch_free(struct batch **batch);
/* Is there room, and is it of the batch's kind? An empty batch takes the kind of its first. */
bool batch_takes(const struct batch *batch, const struct batch_entry *entry);
/* Out of its lane. */
void batch_add(struct batch *batch, struct batch_entry *entry, struct lane *lane);
/* ended is called once, later, from the loop; entries that are not NULL by then are to go back to their lanes. */
void batch_send(struct batch *batch);

#endif
