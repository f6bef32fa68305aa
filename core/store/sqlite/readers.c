/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/readers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/monotonic.h"

struct sqlite_readers {
    pthread_rwlock_t lock;
    atomic_uint refs;
};

struct sqlite_readers *sqlite_readers_new(void) {
    struct sqlite_readers *readers = NEW(struct sqlite_readers);
    pthread_rwlockattr_t writer_first;
    pthread_rwlockattr_init(&writer_first);
    pthread_rwlockattr_setkind_np(&writer_first, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&readers->lock, &writer_first);
    pthread_rwlockattr_destroy(&writer_first);
    atomic_init(&readers->refs, 1);
    return readers;
}

struct sqlite_readers *sqlite_readers_ref(struct sqlite_readers *readers) {
    atomic_fetch_add(&readers->refs, 1);
    return readers;
}

void sqlite_readers_unref(struct sqlite_readers **owned) {
    struct sqlite_readers *readers = *owned;
    *owned = NULL;
    if (!readers || atomic_fetch_sub(&readers->refs, 1) > 1) return;
    pthread_rwlock_destroy(&readers->lock);
    free(readers);
}

void sqlite_readers_enter(struct sqlite_readers *readers) {
    if (pthread_rwlock_rdlock(&readers->lock) != 0) abort();
}

void sqlite_readers_leave(struct sqlite_readers *readers) {
    pthread_rwlock_unlock(&readers->lock);
}

bool sqlite_readers_pause(struct sqlite_readers *readers, unsigned deadline_ms) {
    struct timespec until = monotonic_after(deadline_ms);
    return pthread_rwlock_clockwrlock(&readers->lock, CLOCK_MONOTONIC, &until) == 0;
}

void sqlite_readers_resume(struct sqlite_readers *readers) {
    pthread_rwlock_unlock(&readers->lock);
}
