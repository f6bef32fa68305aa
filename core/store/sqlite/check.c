/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/check.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/monotonic.h"
#include "store/sqlite/readers.h"
#include "store/sqlite/verify.h"
#include "store/verify.h"

/* It rests four times as long as it reads. */
enum { BEGIN_MS = 5000, REST_TIMES = 4, REST_MAX_MS = 1000, TOLD_MAX = 20 };
/* Slightly below the other threads: the writer may wait for the current slice. */
enum { LOW_PRIORITY = 5 };
/* Grace for the current slice when no time is left. */
enum { LAST_SLICE_MS = 200 };

struct sqlite_check {
    char *path;
    struct sqlite_readers *readers;
    struct verify verify;
    int64_t begin_ms;           /* when to begin, after the start */
    int64_t began_ms, slice_ms; /* slice: when the current one began */
    atomic_bool found_damage;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, over;
    bool stop, has_ended, is_abandoned; /* guarded by the lock; abandoned: the thread frees it */
};

/* Waits until *is_so, at most ms. Call with the lock held. */
static void wait_for(struct sqlite_check *check, const bool *is_so, pthread_cond_t *told, int64_t ms) {
    struct timespec until = monotonic_after((uint64_t)ms);
    while (!*is_so && pthread_cond_timedwait(told, &check->lock, &until) == 0) continue;
}

/* False: stop. */
static bool rest(struct sqlite_check *check, int64_t ms) {
    pthread_mutex_lock(&check->lock);
    wait_for(check, &check->stop, &check->wake, ms);
    bool goes_on = !check->stop;
    pthread_mutex_unlock(&check->lock);
    return goes_on;
}

static bool moved(void *owner, const struct verify *verify) {
    struct sqlite_check *check = owner;
    int64_t ms = ((int64_t)monotonic_ms() - check->slice_ms) * REST_TIMES;
    sqlite_readers_leave(check->readers);
    bool goes_on = rest(check, ms < REST_MAX_MS ? ms : REST_MAX_MS);
    sqlite_readers_enter(check->readers);
    check->slice_ms = (int64_t)monotonic_ms();
    return goes_on;
}

static void found(void *owner, const struct verify_finding *finding) {
    struct sqlite_check *check = owner;
    atomic_store(&check->found_damage, true);
    if (check->verify.findings > TOLD_MAX) return;
    LOG_ALWAYS(LOG_ERROR, "store.corrupt", LOG_TEXT("kind", finding->kind), LOG_SLICE("channel", finding->channel_id),
               LOG_NUMBER("seq", finding->seq), LOG_TEXT("text", finding->text));
}

static void tell_end(struct sqlite_check *check, bool whole, const struct error *error) {
    int64_t seconds = ((int64_t)monotonic_ms() - check->began_ms) / 1000;
    if (check->verify.stopped) return;
    if (check->verify.findings > 0)
        LOG_ALWAYS(LOG_ERROR, "store.damaged", LOG_NUMBER("findings", check->verify.findings),
                   LOG_TEXT("path", check->path), LOG_TEXT("advice", "stoa verify lists all damage; restore a backup"));
    else if (!whole)
        LOG_ALWAYS(LOG_WARNING, "store.not_checked", LOG_TEXT("error", error->text));
    else
        LOG_ALWAYS(LOG_INFO, "store.checked", LOG_NUMBER("events", check->verify.events), LOG_NUMBER("s", seconds));
}

static void release(struct sqlite_check *check) {
    pthread_mutex_destroy(&check->lock);
    pthread_cond_destroy(&check->wake);
    pthread_cond_destroy(&check->over);
    sqlite_readers_unref(&check->readers);
    free(check->path);
    free(check);
}

static void look(struct sqlite_check *check) {
    struct error error = {""};
    while (fault_planted("stuck_check")) rest(check, 1);
    if (!rest(check, check->begin_ms)) return;
    check->began_ms = check->slice_ms = (int64_t)monotonic_ms();
    sqlite_readers_enter(check->readers);
    bool whole = sqlite_verify(check->path, &check->verify, &error);
    sqlite_readers_leave(check->readers);
    tell_end(check, whole, &error);
}

static void *run(void *owner) {
    struct sqlite_check *check = owner;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL); /* only the loop handles signals */
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LOW_PRIORITY);
    look(check);
    pthread_mutex_lock(&check->lock);
    check->has_ended = true;
    bool is_abandoned = check->is_abandoned;
    pthread_cond_signal(&check->over);
    pthread_mutex_unlock(&check->lock);
    if (is_abandoned) release(check);
    return NULL;
}

struct sqlite_check *sqlite_check_new(const char *path, struct sqlite_readers *readers) {
    struct sqlite_check *check = NEW(struct sqlite_check);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&check->lock, NULL);
    pthread_cond_init(&check->wake, &monotonic);
    pthread_cond_init(&check->over, &monotonic);
    pthread_condattr_destroy(&monotonic);
    check->begin_ms = fault_planted("check_at_once") ? 0 : BEGIN_MS;
    check->path = memory_copy(path, strlen(path));
    check->readers = sqlite_readers_ref(readers);
    check->verify = (struct verify){.found = found, .moved = moved, .owner = check, .in_slices = true, .place = ""};
    if (pthread_create(&check->thread, NULL, run, check) != 0) abort();
    return check;
}

bool sqlite_check_found_damage(const struct sqlite_check *check) {
    return check && atomic_load(&check->found_damage);
}

bool sqlite_check_free(struct sqlite_check **owned, unsigned deadline_ms) {
    struct sqlite_check *check = *owned;
    *owned = NULL;
    if (!check) return true;
    pthread_t thread = check->thread;
    pthread_mutex_lock(&check->lock);
    check->stop = true;
    pthread_cond_signal(&check->wake);
    wait_for(check, &check->has_ended, &check->over, deadline_ms + LAST_SLICE_MS);
    bool has_ended = check->has_ended;
    check->is_abandoned = !has_ended;
    pthread_mutex_unlock(&check->lock);
    if (!has_ended) return pthread_detach(thread), false;
    pthread_join(thread, NULL);
    release(check);
    return true;
}
