/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/threads.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/monotonic.h"
#include "store/sqlite/sqlite_internal.h"

enum { QUEUE_MAX = 10000, QUEUE_BYTES_MAX = 64 << 20, BATCH_MAX = 512, LAST_BATCH_MS = 1000 };
enum { GATHER_STEP_US = 1000, GATHER_STEPS = 2 };
/* A later answer is of no use to the caller. */
enum { READ_WAIT_US = 5000000 };

static void tell_finished(struct sqlite_threads *threads) {
    uint64_t one = 1;
    while (write(threads->done_fd, &one, sizeof one) < 0)
        if (errno != EINTR) {
            LOG(LOG_ERROR, "store.eventfd");
            break;
        }
}

static void finish(struct sqlite_threads *threads, struct list *batch) {
    pthread_mutex_lock(&threads->lock);
    list_splice(&threads->finished, batch);
    pthread_mutex_unlock(&threads->lock);
    tell_finished(threads);
}

static void block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* only the loop handles signals */
}

/* ---- the writer */

/* Waits until no more writes come, at most GATHER_STEPS: fewer, larger commits. Call with the lock held. */
static void gather(struct sqlite_threads *threads) {
    for (unsigned step = 0, before = 0; step < GATHER_STEPS && threads->writes.len != before && !threads->stop;
         step++) {
        before = threads->writes.len;
        pthread_mutex_unlock(&threads->lock);
        nanosleep(&(struct timespec){.tv_nsec = GATHER_STEP_US * 1000}, NULL);
        pthread_mutex_lock(&threads->lock);
    }
}

static bool take_writes(struct sqlite_threads *threads, struct list *batch) {
    struct sqlite_queue *queue = &threads->writes;
    pthread_mutex_lock(&threads->lock);
    while (queue->len == 0 && !threads->stop) pthread_cond_wait(&threads->write_wake, &threads->lock);
    if (threads->batch_len > 1) gather(threads); /* the last batch had several writes, so more may follow */
    for (threads->batch_len = 0; threads->batch_len < BATCH_MAX && queue->len > 0; threads->batch_len++, queue->len--)
        list_append(batch, list_pop(&queue->requests));
    pthread_mutex_unlock(&threads->lock);
    return threads->batch_len > 0;
}

/* Reads that waited for these writes may begin, even if the writes failed. */
static void note_written(struct sqlite_threads *threads, unsigned writes, const struct sqlite_commits *commits) {
    pthread_mutex_lock(&threads->lock);
    threads->written += writes;
    threads->commits.n += commits->n;
    threads->commits.waited_us += commits->waited_us;
    threads->commits.took_us += commits->took_us;
    if (threads->reads.len > 0) pthread_cond_signal(&threads->read_wake);
    pthread_mutex_unlock(&threads->lock);
}

static void write_and_commit(struct sqlite_threads *threads, struct list *batch) {
    struct sqlite_commits commits = {0};
    struct sqlite_transaction transaction = sqlite_write_batch(&threads->write_db, batch);
    if (transaction.writes > 0 && fault_planted("ack_before_commit")) {
        finish(threads, batch);
        usleep(20000);
    }
    sqlite_commit_batch(&threads->write_db, &transaction, batch, &commits);
    note_written(threads, transaction.writes, &commits);
}

/* Only for a database in memory. */
static void read_after_writes(struct sqlite_threads *threads, struct list *batch) {
    LIST_EACH(batch, link) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (!store_is_write(request->op)) sqlite_read(&threads->write_db, request);
    }
}

static void *run_writer(void *owner) {
    struct sqlite_threads *threads = owner;
    struct list batch;
    block_signals();
    list_init(&batch);
    while (take_writes(threads, &batch)) {
        write_and_commit(threads, &batch);
        read_after_writes(threads, &batch);
        finish(threads, &batch);
        db_checkpoint(&threads->write_db, threads->readers); /* two flushes: after the acknowledgements, not before */
    }
    pthread_mutex_lock(&threads->lock);
    while (threads->has_reader && !threads->reader_ended) pthread_cond_wait(&threads->ended, &threads->lock);
    pthread_mutex_unlock(&threads->lock);
    sqlite_db_close(&threads->write_db); /* closed last: moves all pages out of the WAL, and removes it */
    pthread_mutex_lock(&threads->lock);
    threads->writer_ended = true;
    pthread_cond_broadcast(&threads->ended);
    pthread_mutex_unlock(&threads->lock);
    return NULL;
}

/* ---- the reader */

static bool may_begin(const struct sqlite_threads *threads) {
    const struct list *first = threads->reads.requests.next;
    return threads->reads.len > 0 &&
           CONTAINER(first, struct store_request, link)->driver.after_writes <= threads->written;
}

static struct store_request *take_read(struct sqlite_threads *threads) {
    struct store_request *request = NULL;
    pthread_mutex_lock(&threads->lock);
    while (!may_begin(threads) && !(threads->stop && threads->reads.len == 0))
        pthread_cond_wait(&threads->read_wake, &threads->lock);
    if (threads->reads.len > 0) {
        request = CONTAINER(list_pop(&threads->reads.requests), struct store_request, link);
        threads->reads.len--;
    }
    pthread_mutex_unlock(&threads->lock);
    return request;
}

static void *run_reader(void *owner) {
    struct sqlite_threads *threads = owner;
    struct store_request *request;
    struct list alone;
    list_init(&alone);
    block_signals();
    while ((request = take_read(threads))) {
        sqlite_readers_enter(threads->readers);
        if (monotonic_us() - (uint64_t)request->driver.submitted_us > READ_WAIT_US)
            request->status = STORE_UNAVAILABLE;
        else
            sqlite_read(&threads->read_db, request);
        sqlite_readers_leave(threads->readers);
        list_append(&alone, &request->link);
        finish(threads, &alone);
    }
    sqlite_db_close(&threads->read_db);
    pthread_mutex_lock(&threads->lock);
    threads->reader_ended = true;
    pthread_cond_broadcast(&threads->ended);
    pthread_mutex_unlock(&threads->lock);
    return NULL;
}

/* ---- the loop */

static void refuse(struct sqlite_threads *threads, struct store_request *request) {
    struct list alone;
    list_init(&alone);
    request->status = STORE_UNAVAILABLE;
    list_append(&alone, &request->link);
    finish(threads, &alone);
}

static struct sqlite_queue *queue_of(struct sqlite_threads *threads, enum store_op op) {
    return threads->has_reader && !store_is_write(op) ? &threads->reads : &threads->writes;
}

void sqlite_threads_submit(struct sqlite_threads *threads, struct store_request *request) {
    struct sqlite_queue *queue = queue_of(threads, request->op);
    bool is_full =
        threads->stop || queue->pending >= QUEUE_MAX || queue->pending_bytes + request->arena_bytes > QUEUE_BYTES_MAX;
    request->driver.submitted_us = (int64_t)monotonic_us();
    request->driver.counted_bytes = request->arena_bytes;
    queue->pending++;
    queue->pending_bytes += request->driver.counted_bytes;
    if (is_full) {
        refuse(threads, request);
        return;
    }
    if (store_is_write(request->op)) threads->submitted++;
    request->driver.after_writes = threads->submitted;
    pthread_mutex_lock(&threads->lock);
    list_append(&queue->requests, &request->link);
    queue->len++;
    pthread_cond_signal(queue == &threads->reads ? &threads->read_wake : &threads->write_wake);
    pthread_mutex_unlock(&threads->lock);
}

struct sqlite_commits sqlite_threads_take(struct sqlite_threads *threads, struct list *finished) {
    pthread_mutex_lock(&threads->lock);
    struct sqlite_commits commits = threads->commits;
    threads->commits = (struct sqlite_commits){0};
    list_splice(finished, &threads->finished);
    pthread_mutex_unlock(&threads->lock);
    LIST_EACH(finished, link) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        struct sqlite_queue *queue = queue_of(threads, request->op);
        queue->pending--;
        queue->pending_bytes -= request->driver.counted_bytes;
    }
    return commits;
}

/* Call with the lock held. True: both threads have ended. */
static bool wait_for_end(struct sqlite_threads *threads, unsigned ms) {
    struct timespec until = monotonic_after(ms);
    while (!threads->writer_ended && pthread_cond_timedwait(&threads->ended, &threads->lock, &until) == 0) continue;
    return threads->writer_ended;
}

static void give_up(struct sqlite_threads *threads, struct sqlite_queue *queue) {
    LIST_EACH(&queue->requests, link) CONTAINER(link, struct store_request, link)->status = STORE_UNAVAILABLE;
    list_splice(&threads->finished, &queue->requests);
    queue->len = 0;
}

bool sqlite_threads_stop(struct sqlite_threads *threads, unsigned deadline_ms) {
    pthread_mutex_lock(&threads->lock);
    threads->stop = true;
    pthread_cond_signal(&threads->write_wake);
    pthread_cond_signal(&threads->read_wake);
    bool ended = wait_for_end(threads, deadline_ms);
    if (!ended) { /* takes back the requests not begun; current ones get a little more time */
        give_up(threads, &threads->writes);
        give_up(threads, &threads->reads);
        pthread_cond_signal(&threads->read_wake);
        ended = wait_for_end(threads, LAST_BATCH_MS);
    }
    pthread_mutex_unlock(&threads->lock);
    if (!ended) return false;
    pthread_join(threads->writer, NULL);
    if (threads->has_reader) pthread_join(threads->reader, NULL);
    sqlite_readers_unref(&threads->readers);
    return true;
}

static void init(struct sqlite_threads *threads) {
    threads->write_db = threads->read_db = (struct sqlite_db){.lineage.fd = -1};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&threads->lock, NULL);
    pthread_cond_init(&threads->write_wake, NULL);
    pthread_cond_init(&threads->read_wake, NULL);
    pthread_cond_init(&threads->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    list_init(&threads->writes.requests);
    list_init(&threads->reads.requests);
    list_init(&threads->finished);
}

bool sqlite_threads_start(struct sqlite_threads *threads, const char *path, const struct store_progress *progress,
                          struct error *error_r) {
    init(threads);
    threads->has_reader = strcmp(path, ":memory:") != 0;
    bool good = sqlite_db_open(&threads->write_db, path, progress, error_r) &&
                (!threads->has_reader || sqlite_db_open_reader(&threads->read_db, path, &threads->write_db, error_r));
    if (!good) {
        sqlite_db_close(&threads->read_db);
        sqlite_db_close(&threads->write_db);
        return false;
    }
    if (threads->has_reader) threads->readers = sqlite_readers_new();
    threads->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (threads->done_fd < 0 || pthread_create(&threads->writer, NULL, run_writer, threads) != 0 ||
        (threads->has_reader && pthread_create(&threads->reader, NULL, run_reader, threads) != 0))
        abort();
    return true;
}
