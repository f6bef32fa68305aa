/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite store, on the loop: passes requests to its threads (sqlite/threads.h) and completes them. */
#include "store/sqlite/store_sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "loop/loop.h"
#include "loop/loop_fd.h"
#include "store/sqlite/check.h"
#include "store/sqlite/db.h"
#include "store/sqlite/powercut.h"
#include "store/sqlite/threads.h"

struct sqlite_store {
    struct store store;
    struct loop *loop;
    struct loop_fd *done_ready;
    struct sqlite_threads threads;
    struct sqlite_check *check; /* NULL: in memory */
};

static void complete(struct store_request *request) {
    if (request->status != STORE_OK && request->status != STORE_NOT_FOUND)
        metric_add_labelled(METRIC_STORE_ERRORS, store_status_code(request->status), 1);
    if (request->op == STORE_APPEND && request->status == STORE_OK && !request->append.duplicate_r)
        metric_add(METRIC_APPENDED, 1);
    request->done(request);
    store_request_free(&request);
}

static void hand_out(struct sqlite_store *store) {
    struct list finished, *link;
    list_init(&finished);
    struct sqlite_commits commits = sqlite_threads_take(&store->threads, &finished);
    metric_add(METRIC_APPEND_BATCHES, commits.n);
    metric_add(METRIC_APPEND_WAIT, (int64_t)commits.waited_us);
    metric_add(METRIC_COMMIT_TIME, (int64_t)commits.took_us);
    while ((link = list_pop(&finished))) complete(CONTAINER(link, struct store_request, link));
}

static void completed(void *owner, int fd, int ready) {
    uint64_t count;
    if (read(fd, &count, sizeof count) == sizeof count) hand_out(owner);
}

static void submit(struct store *base, struct store_request *request) {
    struct sqlite_store *store = CONTAINER(base, struct sqlite_store, store);
    request->driver.now_ms = (int64_t)loop_wall_ms(store->loop);
    sqlite_threads_submit(&store->threads, request);
}

static bool is_damaged(const struct store *base) {
    struct sqlite_store *store = CONTAINER(base, struct sqlite_store, store);
    return atomic_load(&store->threads.write_db.is_damaged) || atomic_load(&store->threads.read_db.is_damaged) ||
           sqlite_check_found_damage(store->check);
}

static void close_store(struct store *base, unsigned deadline_ms) {
    struct sqlite_store *store = CONTAINER(base, struct sqlite_store, store);
    uint64_t due_us = loop_clock_us(store->loop) + deadline_ms * UINT64_C(1000);
    if (!sqlite_check_free(&store->check, deadline_ms)) LOG(LOG_ERROR, "store.check_stuck");
    uint64_t now_us = loop_clock_us(store->loop);
    bool ended = sqlite_threads_stop(&store->threads, now_us < due_us ? (unsigned)((due_us - now_us) / 1000) : 0);
    /* Completions may submit requests: they are refused, and also completed here. */
    do hand_out(store);
    while (ended && !list_empty(&store->threads.finished));
    loop_fd_free(&store->done_ready);
    if (!ended) {
        LOG(LOG_ERROR, "store.stuck", LOG_NUMBER("writes", store->threads.writes.pending),
            LOG_NUMBER("reads", store->threads.reads.pending));
        return; /* the stuck threads use the rest until the process ends */
    }
    close(store->threads.done_fd);
    free(store);
}

static const struct store_ops ops = {.submit = submit, .close = close_store, .is_damaged = is_damaged};

static bool is_folder_good(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? memory_copy(path, slash == path ? 1 : (size_t)(slash - path)) : memory_copy(".", 1);
    bool good = access(folder, W_OK | X_OK) == 0;
    free(folder);
    return good;
}

bool store_sqlite_has_place(const char *path, struct error *error_r) {
    struct stat file;
    if (strcmp(path, ":memory:") == 0) return true;
    if (!is_folder_good(path))
        error_set(error_r, "%s: its folder: %s", path, strerror(errno));
    else if (stat(path, &file) != 0)
        return true;
    else if (!S_ISREG(file.st_mode))
        error_set(error_r, "%s: is no regular file", path);
    else if (access(path, R_OK | W_OK) != 0)
        error_set(error_r, "%s: %s", path, strerror(errno));
    else
        return true;
    return false;
}

bool store_sqlite_check(const char *path, struct error *error_r) {
    struct stat file;
    if (!store_sqlite_has_place(path, error_r)) return false;
    bool is_new = strcmp(path, ":memory:") == 0 || stat(path, &file) != 0 || file.st_size == 0;
    return is_new || sqlite_db_check(path, error_r);
}

struct store *store_sqlite_new(struct loop *loop, const char *path, const struct store_progress *progress,
                               struct error *error_r) {
    struct sqlite_store *store = NEW(struct sqlite_store);
    store->store.ops = &ops;
    store->loop = loop;
    if (!sqlite_threads_start(&store->threads, path, progress, error_r)) {
        free(store);
        return NULL;
    }
    store->done_ready = loop_fd_new(loop, store->threads.done_fd, LOOP_READ, completed, store);
    if (store->threads.has_reader && !powercut_vfs()) store->check = sqlite_check_new(path, store->threads.readers);
    return &store->store;
}
