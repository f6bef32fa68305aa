/* The SQLite store: one writer thread that shares nothing with the loop but two lists of requests.
 *
 * It takes the whole queue whenever it is free: while one transaction is synced, the next gathers (group commit). Who
 * comes alone waits for nothing; while writes come thick, it looks once or twice whether more come (gather). Writes of
 * a batch are one transaction; if one fails halfway, all are done again, each under a savepoint, so that it fails
 * alone. Reads follow the commit, so whoever reads what was acknowledged finds it. */
#include "store/store_sqlite.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "store/sqlite_db.h"
#include "store/store_driver.h"
#include "store/store_json.h"

enum { QUEUE_MAX = 10000, QUEUE_BYTES_MAX = 64 << 20, BATCH_MAX = 512, LAST_BATCH_MS = 1000 };
enum { GATHER_STEP_US = 1000, GATHER_STEPS = 2 };

struct sqlite_store {
    struct store store;
    struct loop *loop;
    struct loop_fd *done_ready;
    int done_fd;
    unsigned queued; /* given to the thread and not yet come back; the loop's */
    size_t queued_bytes;
    bool closing;

    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct list queue, finished;
    unsigned queue_len;
    struct sqlite_commits commits; /* not yet counted by the loop */
    bool stop, stopped;

    struct sqlite_db db; /* the thread's */
    unsigned batch_len;  /* of the last one; the thread's */
};

/* ---- the thread */

static bool is_write(enum store_op op) {
    switch (op) {
        case STORE_EVENTS:
        case STORE_MESSAGES:
        case STORE_MESSAGE:
        case STORE_CHANNEL:
        case STORE_MEMBER:
        case STORE_MEMBERS:
        case STORE_USER_CHANNELS:
        case STORE_HEADS:
        case STORE_USERS:
        case STORE_SESSION:
        case STORE_AUDITS:
            return false;
        default:
            return true;
    }
}

static enum store_status dispatch(struct sqlite_db *db, struct store_request *request) {
    if (!store_request_sound(request)) return STORE_BAD;
    db->now_ms = request->now_ms;
    switch (request->op) {
        case STORE_APPEND:
            return sqlite_append(db, request);
        case STORE_EVENTS:
            return sqlite_events(db, request);
        case STORE_MESSAGES:
            return sqlite_messages(db, request);
        case STORE_MESSAGE:
            return sqlite_message(db, request);
        case STORE_HEADS:
            return sqlite_heads(db, request);
        case STORE_CHANNEL_PUT:
        case STORE_CHANNEL:
        case STORE_MEMBER_PUT:
        case STORE_MEMBER_DELETE:
        case STORE_MEMBER:
        case STORE_MEMBERS:
        case STORE_USER_CHANNELS:
        case STORE_READ_MARK:
            return sqlite_people(db, request);
        default:
            return sqlite_accounts(db, request);
    }
}

static enum store_status perform(struct sqlite_db *db, struct store_request *request) {
    db->failure = STORE_OK;
    db->found_corrupt = false;
    enum store_status status = dispatch(db, request);
    if (status == STORE_OK || status == STORE_NOT_FOUND) status = db->failure == STORE_OK ? status : db->failure;
    if (db->found_corrupt) {
        LOG(LOG_ERROR, "store.corrupt", LOG_SLICE("channel", request->channel_id), LOG_NUMBER("after", request->seq));
        status = STORE_UNAVAILABLE;
    }
    if (status != STORE_OK) buffer_clear(&request->json);
    return status;
}

/* The next append of the transaction goes on from here. */
static void stage(struct sqlite_db *db, const struct store_request *request) {
    if (request->op == STORE_APPEND && !request->duplicate)
        known_heads_stage(db->heads, request->channel_id, request->seq_r);
}

static bool execute(struct sqlite_db *db, const char *sql) {
    return db_run(db, db_query(db, sql)) == STORE_OK;
}

static bool within_transaction(const struct sqlite_db *db) {
    return !sqlite3_get_autocommit(db->handle);
}

/* False: it has failed when something was changed already, or the whole transaction is gone. */
static bool write_bare(struct sqlite_db *db, struct store_request *request) {
    int changes = sqlite3_total_changes(db->handle);
    request->status = perform(db, request);
    if (request->status == STORE_OK) stage(db, request);
    bool clean = request->status == STORE_OK || sqlite3_total_changes(db->handle) == changes;
    return clean && within_transaction(db);
}

/* A write that fails leaves the others of its batch alone. False: the whole transaction is gone. */
static bool write_guarded(struct sqlite_db *db, struct store_request *request) {
    if (!execute(db, "SAVEPOINT one")) return false;
    buffer_clear(&request->json);
    request->duplicate = false;
    request->status = perform(db, request);
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
        if (good && is_write(request->op)) good = write_one(db, request);
    }
    return good;
}

static void roll_back(struct sqlite_db *db) {
    known_heads_forget(db->heads);
    if (within_transaction(db)) execute(db, "ROLLBACK");
}

static void fail_all(struct list *requests, enum store_status status) {
    LIST_EACH(requests, link) CONTAINER(link, struct store_request, link)->status = status;
}

/* What was not committed proves nothing: verdicts too are of the transaction that has gone. */
static void fail_writes(struct list *batch, enum store_status status) {
    LIST_EACH(batch, link) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (!is_write(request->op) || request->status == STORE_BAD) continue;
        request->status = status;
        buffer_done(&request->json);
        request->duplicate = false;
    }
}

static void finish(struct sqlite_store *store, struct list *batch) {
    uint64_t one = 1;
    pthread_mutex_lock(&store->lock);
    store->commits.n += store->db.commits.n;
    store->commits.waited_us += store->db.commits.waited_us;
    store->commits.took_us += store->db.commits.took_us;
    store->db.commits = (struct sqlite_commits){0};
    list_splice(&store->finished, batch);
    pthread_mutex_unlock(&store->lock);
    while (write(store->done_fd, &one, sizeof one) < 0 && errno == EINTR) continue;
}

static uint64_t clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Refused when another server has begun to write to this database. */
static bool count_commit(struct sqlite_db *db) {
    sqlite3_stmt *count = db_query(db, "UPDATE lineage SET commits = ?1 WHERE run = ?2");
    db_bind_integer(count, 1, db->lineage.commits + 1);
    db_bind_text(count, 2, slice_of(db->lineage.run));
    if (db_run(db, count) != STORE_OK) return false;
    if (sqlite3_changes(db->handle) == 1) return true;
    LOG(LOG_ERROR, "store.taken_over", LOG_TEXT("run", db->lineage.run));
    return false;
}

static bool commit(struct sqlite_db *db, uint64_t began_us) {
    if (!execute(db, "COMMIT")) return false;
    known_heads_publish(db->heads);
    lineage_counted(&db->lineage);
    db->commits.n++;
    db->commits.took_us += clock_us() - began_us;
    return true;
}

static void write_batch(struct sqlite_store *store, struct list *batch) {
    struct sqlite_db *db = &store->db;
    uint64_t began_us = clock_us();
    bool any = false;
    LIST_EACH(batch, link) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (!is_write(request->op)) continue;
        request->status = STORE_UNAVAILABLE;
        db->commits.waited_us += began_us - (uint64_t)request->submitted_us;
        any = true;
    }
    if (!any) return;
    bool good = write_all(db, batch, write_bare);
    if (!good) {
        roll_back(db);
        good = write_all(db, batch, write_guarded);
    }
    if (good) good = count_commit(db);
    if (good && fault_planted("ack_before_commit")) {
        struct list early;
        list_init(&early);
        LIST_EACH(batch, link) {
            if (!is_write(CONTAINER(link, struct store_request, link)->op)) continue;
            list_remove(link);
            list_append(&early, link);
        }
        finish(store, &early);
        usleep(20000);
        if (!commit(db, began_us)) roll_back(db);
        return;
    }
    if (good && commit(db, began_us)) return;
    enum store_status status = db_status(db);
    roll_back(db);
    fail_writes(batch, status == STORE_OK ? STORE_UNAVAILABLE : status);
}

static void read_batch(struct sqlite_store *store, struct list *batch) {
    LIST_EACH(batch, link) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        if (!is_write(request->op)) request->status = perform(&store->db, request);
    }
    db_end_readings(&store->db);
}

/* Until no more come, and not for longer than GATHER_STEPS: fewer, larger commits. With the lock. */
static void gather(struct sqlite_store *store) {
    for (unsigned step = 0, before = 0; step < GATHER_STEPS && store->queue_len != before && !store->stop; step++) {
        before = store->queue_len;
        pthread_mutex_unlock(&store->lock);
        nanosleep(&(struct timespec){.tv_nsec = GATHER_STEP_US * 1000}, NULL);
        pthread_mutex_lock(&store->lock);
    }
}

static bool take_batch(struct sqlite_store *store, struct list *batch) {
    pthread_mutex_lock(&store->lock);
    while (list_empty(&store->queue) && !store->stop) pthread_cond_wait(&store->wake, &store->lock);
    if (store->batch_len > 1) gather(store); /* who had company has some again */
    for (store->batch_len = 0; store->batch_len < BATCH_MAX && !list_empty(&store->queue); store->batch_len++)
        list_append(batch, list_pop(&store->queue));
    store->queue_len -= store->batch_len;
    bool more = !list_empty(batch);
    pthread_mutex_unlock(&store->lock);
    return more;
}

static void *run(void *owner) {
    struct sqlite_store *store = owner;
    struct list batch;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* signals are the loop's */
    list_init(&batch);
    while (take_batch(store, &batch)) {
        write_batch(store, &batch);
        read_batch(store, &batch);
        finish(store, &batch);
        db_checkpoint(&store->db); /* two flushes: after the acknowledgements, not before */
    }
    sqlite_db_close(&store->db);
    pthread_mutex_lock(&store->lock);
    store->stopped = true;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

/* ---- the loop */

static void complete(struct store_request *request) {
    if (request->status != STORE_OK && request->status != STORE_NOT_FOUND)
        metric_add_labelled(METRIC_STORE_ERRORS, store_status_code(request->status), 1);
    if (request->op == STORE_APPEND && request->status == STORE_OK && !request->duplicate)
        metric_add(METRIC_APPENDED, 1);
    request->done(request);
    store_request_free(&request);
}

static void hand_out(struct sqlite_store *store) {
    struct list batch, *link;
    list_init(&batch);
    pthread_mutex_lock(&store->lock);
    list_splice(&batch, &store->finished);
    metric_add(METRIC_APPEND_BATCHES, store->commits.n);
    metric_add(METRIC_APPEND_WAIT, (int64_t)store->commits.waited_us);
    metric_add(METRIC_COMMIT_TIME, (int64_t)store->commits.took_us);
    store->commits = (struct sqlite_commits){0};
    pthread_mutex_unlock(&store->lock);
    while ((link = list_pop(&batch))) {
        struct store_request *request = CONTAINER(link, struct store_request, link);
        store->queued--;
        store->queued_bytes -= request->arena_bytes;
        complete(request);
    }
}

static void completed(void *owner, int fd, int ready) {
    uint64_t count;
    if (read(fd, &count, sizeof count) == sizeof count) hand_out(owner);
}

static void submit(struct store *base, struct store_request *request) {
    struct sqlite_store *store = CONTAINER(base, struct sqlite_store, store);
    bool refused =
        store->closing || store->queued >= QUEUE_MAX || store->queued_bytes + request->arena_bytes > QUEUE_BYTES_MAX;
    uint64_t one = 1;
    request->now_ms = (int64_t)loop_wall_ms(store->loop);
    request->submitted_us = (int64_t)clock_us();
    store->queued++;
    store->queued_bytes += request->arena_bytes;
    pthread_mutex_lock(&store->lock);
    if (refused) {
        request->status = STORE_UNAVAILABLE;
        list_append(&store->finished, &request->link);
    } else {
        list_append(&store->queue, &request->link);
        store->queue_len++;
        pthread_cond_signal(&store->wake);
    }
    pthread_mutex_unlock(&store->lock);
    if (refused && write(store->done_fd, &one, sizeof one) < 0) LOG(LOG_ERROR, "store.eventfd");
}

/* True: the thread has ended. */
static bool wait_for_thread(struct sqlite_store *store, unsigned ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!store->stopped && pthread_cond_timedwait(&store->wake, &store->lock, &until) == 0) continue;
    return store->stopped;
}

static void close_store(struct store *base, unsigned deadline_ms) {
    struct sqlite_store *store = CONTAINER(base, struct sqlite_store, store);
    store->closing = true;
    pthread_mutex_lock(&store->lock);
    store->stop = true;
    pthread_cond_signal(&store->wake);
    bool stopped = wait_for_thread(store, deadline_ms);
    if (!stopped) { /* what it has not begun is taken from it; the batch at hand gets a little more */
        fail_all(&store->queue, STORE_UNAVAILABLE);
        list_splice(&store->finished, &store->queue);
        store->queue_len = 0;
        stopped = wait_for_thread(store, LAST_BATCH_MS);
    }
    pthread_mutex_unlock(&store->lock);
    if (stopped) pthread_join(store->thread, NULL);
    /* Completions may submit: refused, and completed here too. */
    do hand_out(store);
    while (stopped && !list_empty(&store->finished));
    loop_fd_free(&store->done_ready);
    if (!stopped) {
        LOG(LOG_ERROR, "store.stuck", LOG_NUMBER("queued", store->queued));
        return; /* the process ends with its thread, which holds the rest */
    }
    close(store->done_fd);
    free(store);
}

static const struct store_ops ops = {.submit = submit, .close = close_store};

struct store *store_sqlite_new(struct loop *loop, const char *path, struct error *error_r) {
    struct sqlite_store *store = NEW(struct sqlite_store);
    store->store.ops = &ops;
    store->loop = loop;
    list_init(&store->queue);
    list_init(&store->finished);
    if (!sqlite_db_open(&store->db, path, error_r)) {
        sqlite_db_close(&store->db);
        free(store);
        return NULL;
    }
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    store->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    store->done_ready = loop_fd_new(loop, store->done_fd, LOOP_READ, completed, store);
    if (store->done_fd < 0 || pthread_create(&store->thread, NULL, run, store) != 0) abort();
    return &store->store;
}
