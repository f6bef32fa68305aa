/* SPDX-License-Identifier: Apache-2.0 */
#include "support/held_reads.h"

#include <pthread.h>
#include <sqlite3.h>
#include <string.h>
#include <time.h>

#include "support/store_asking.h"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned most_ms; /* 0: no read is held */
    bool overlap;
    unsigned held, let_go; /* counts since the beginning */
} reads = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct timespec in_ms(unsigned ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000 + (until.tv_nsec + ms % 1000 * 1000000L) / 1000000000L;
    until.tv_nsec = (until.tv_nsec + ms % 1000 * 1000000L) % 1000000000L;
    return until;
}

static void hold_read(void) {
    struct timespec until = in_ms(reads.most_ms);
    unsigned number = ++reads.held;
    pthread_cond_broadcast(&reads.changed);
    while (reads.let_go < number && pthread_cond_timedwait(&reads.changed, &reads.lock, &until) == 0) continue;
}

static void hold_write(void) {
    struct timespec until = in_ms(reads.most_ms);
    unsigned number = reads.let_go = reads.held;
    pthread_cond_broadcast(&reads.changed);
    while (reads.held == number && pthread_cond_timedwait(&reads.changed, &reads.lock, &until) == 0) continue;
}

static int begins(unsigned type, void *owner, void *statement, void *sql) {
    sqlite3 *handle = owner;
    bool is_reader = sqlite3_db_readonly(handle, "main") == 1;
    pthread_mutex_lock(&reads.lock);
    if (reads.most_ms && is_reader && strcmp(sql, "COMMIT") == 0) hold_read();
    if (reads.most_ms && reads.overlap && strcmp(sql, "BEGIN IMMEDIATE") == 0) hold_write();
    pthread_mutex_unlock(&reads.lock);
    return 0;
}

static int connected(sqlite3 *handle, char **error_r, const struct sqlite3_api_routines *routines) {
    return sqlite3_trace_v2(handle, SQLITE_TRACE_STMT, begins, handle);
}

void held_reads_init(void) {
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&reads.changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    assert_int_equal(sqlite3_auto_extension((void (*)(void))connected), SQLITE_OK);
}

static void begin(unsigned most_ms, bool overlap) {
    pthread_mutex_lock(&reads.lock);
    reads.most_ms = most_ms;
    reads.overlap = overlap;
    reads.held = reads.let_go = 0;
    pthread_mutex_unlock(&reads.lock);
}

void held_reads_begin(unsigned most_ms) {
    begin(most_ms, false);
}

void held_reads_overlap(unsigned most_ms) {
    begin(most_ms, true);
}

void held_reads_end(void) {
    pthread_mutex_lock(&reads.lock);
    reads.most_ms = 0;
    reads.let_go = reads.held;
    pthread_cond_broadcast(&reads.changed);
    pthread_mutex_unlock(&reads.lock);
}

void held_reads_wait(void) {
    struct timespec until = in_ms(ANSWER_DEADLINE_MS);
    pthread_mutex_lock(&reads.lock);
    while (reads.held == reads.let_go && pthread_cond_timedwait(&reads.changed, &reads.lock, &until) == 0) continue;
    bool is_held = reads.held > reads.let_go;
    pthread_mutex_unlock(&reads.lock);
    assert_true(is_held);
}
