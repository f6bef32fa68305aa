/* SPDX-License-Identifier: Apache-2.0 */
/* threads.h - two threads that share nothing with the loop but lists of requests: one writes, one reads.
 *
 * The writer takes its whole queue whenever it is free: while one transaction is flushed, the next gathers (group
 * commit). Who comes alone waits for nothing; while writes come thick, it looks once or twice whether more come.
 *
 * The reader has a connection of its own, that cannot write. A read is one snapshot of the database, which begins when
 * all writes that were submitted before it have ended: whoever was acknowledged, or was handed an event, finds it.
 * A database in memory has one connection; there the writer reads, after its commit.
 *
 * When the log of the database is long, the writer asks whoever reads in this process for a pause, in which the log
 * begins anew (sqlite/readers.h).
 */
#ifndef STORE_SQLITE_THREADS_H
#define STORE_SQLITE_THREADS_H

#include <pthread.h>

#include "store/sqlite/writer.h"

/* With its own bounds: reads that wait refuse no writes. */
struct sqlite_queue {
    struct list requests; /* with the lock */
    unsigned len;         /* of it */
    unsigned pending;     /* given to the thread and not yet come back; the loop's, as are its bytes */
    size_t pending_bytes;
};

struct sqlite_threads {
    int done_fd;        /* an eventfd: something has finished */
    uint64_t submitted; /* writes; the loop's */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t write_wake, read_wake, ended;
    struct sqlite_queue writes, reads;
    struct list finished;
    uint64_t written;              /* writes that have ended */
    struct sqlite_commits commits; /* not yet taken by the loop */
    bool stop, writer_ended, reader_ended;

    struct sqlite_db write_db, read_db; /* each its thread's */
    bool has_reader;
    struct sqlite_readers *readers; /* NULL: there are none */
    unsigned batch_len;             /* of the last one; the writer's */
    pthread_t writer, reader;
};

bool sqlite_threads_start(struct sqlite_threads *threads, const char *path, const struct store_progress *progress,
                          struct error *error_r) MUST_CHECK;
/* Takes the request; it comes back among the finished. */
void sqlite_threads_submit(struct sqlite_threads *threads, struct store_request *request);
/* What has finished, to the end of the list; how the commits went since the last call. */
struct sqlite_commits sqlite_threads_take(struct sqlite_threads *threads, struct list *finished);
/* No more is submitted. What has not begun by the deadline finishes with UNAVAILABLE. False: a thread is stuck, and
 * keeps what it has; the process ends with it. */
bool sqlite_threads_stop(struct sqlite_threads *threads, unsigned deadline_ms) MUST_CHECK;

#endif
