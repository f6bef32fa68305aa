/* SPDX-License-Identifier: Apache-2.0 */
/* threads.h - a writer and a reader thread that share only lists of requests with the loop.
 *
 * The writer takes its whole queue whenever it is free: while one transaction is flushed, requests for the next gather
 * (group commit). A lone write waits for nothing; under load, the writer checks once or twice for more writes before
 * it begins.
 *
 * The reader has a read-only connection of its own. Each read is one snapshot of the database, taken after all writes
 * submitted before it have ended, so a caller always finds what was acknowledged to it or sent to it as an event. A
 * database in memory has one connection; there the writer runs the reads, after its commit.
 *
 * When the WAL is long, the writer asks the readers in this process to pause, and resets the WAL (sqlite/readers.h).
 */
#ifndef STORE_SQLITE_THREADS_H
#define STORE_SQLITE_THREADS_H

#include <pthread.h>

#include "store/sqlite/writer.h"

/* Each queue has its own bounds: waiting reads do not cause writes to be refused. */
struct sqlite_queue {
    struct list requests; /* guarded by the lock */
    unsigned len;         /* of requests */
    unsigned pending;     /* given to the thread and not yet returned; used by the loop only, as is pending_bytes */
    size_t pending_bytes;
};

struct sqlite_threads {
    int done_fd;        /* an eventfd: a request has finished */
    uint64_t submitted; /* number of writes; used by the loop only */

    pthread_mutex_t lock; /* guards the fields below */
    pthread_cond_t write_wake, read_wake, ended;
    struct sqlite_queue writes, reads;
    struct list finished;
    uint64_t written;              /* number of writes that have ended */
    struct sqlite_commits commits; /* not yet taken by the loop */
    bool stop, writer_ended, reader_ended;

    struct sqlite_db write_db, read_db; /* each used by its thread only */
    bool has_reader;
    struct sqlite_readers *readers; /* NULL: there are none */
    unsigned batch_len;             /* of the last batch; used by the writer only */
    pthread_t writer, reader;
};

bool sqlite_threads_start(struct sqlite_threads *threads, const char *path, const struct store_progress *progress,
                          struct error *error_r) MUST_CHECK;
/* Takes the request; sqlite_threads_take returns it when finished. */
void sqlite_threads_submit(struct sqlite_threads *threads, struct store_request *request);
/* Appends the finished requests to the list; returns commit figures since the last call. */
struct sqlite_commits sqlite_threads_take(struct sqlite_threads *threads, struct list *finished);
/* Call when no more requests will be submitted. Requests that have not begun by the deadline finish with UNAVAILABLE.
 * False: a thread is stuck and keeps its memory until the process ends. */
bool sqlite_threads_stop(struct sqlite_threads *threads, unsigned deadline_ms) MUST_CHECK;

#endif
