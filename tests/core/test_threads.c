/* SPDX-License-Identifier: Apache-2.0 */
/* What any thread may do while others do the same: log, count what stderr did not take, hash. A build with
 * ThreadSanitizer (STOA_SANITIZE=thread) also sees what only happens to go well. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "base/log.h"

enum { THREADS = 4, LINES = 2000 };

/* All start at once, when the last one is ready. */
static void run_in_threads(void *(*run)(void *barrier)) {
    pthread_t threads[THREADS];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, run, &barrier), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&barrier);
}

static _Atomic uint64_t first_hash;
static atomic_bool hashes_differ;

static void *hash_first(void *barrier) {
    uint64_t before = 0;
    pthread_barrier_wait(barrier);
    uint64_t hash = hash_local(SLICE("lobby"));
    if (!atomic_compare_exchange_strong(&first_hash, &before, hash) && before != hash) hashes_differ = true;
    return NULL;
}

/* Must be the first test: the process's hash key is not drawn yet. */
static void all_threads_hash_with_one_key(void **state) {
    run_in_threads(hash_first);
    assert_false(hashes_differ);
}

struct counted {
    unsigned lines, broken;
    unsigned held_back; /* as the lines say */
};

static void count_line(void *owner, struct slice line) {
    struct counted *counted = owner;
    const char *held_back = memmem(line.ptr, line.len, " held_back=", 11);
    counted->lines++;
    counted->broken += memchr(line.ptr, '\n', line.len) != line.ptr + line.len - 1;
    if (held_back) counted->held_back += (unsigned)strtoul(held_back + 11, NULL, 10);
}

static struct log_site site;

static void *log_at_one_site(void *barrier) {
    pthread_barrier_wait(barrier);
    for (int i = 0; i < LINES; i++) {
        log_set_level(i % 2 ? LOG_DEBUG : LOG_INFO);
        if (log_enabled(LOG_INFO)) log_write(LOG_INFO, &site, "often", (struct log_field[]){{0}});
    }
    return NULL;
}

static void lines_of_one_site_are_written_or_counted_whichever_thread_logs(void **state) {
    struct counted counted = {0};
    log_set_sink(count_line, &counted);
    run_in_threads(log_at_one_site);
    log_set_sink(NULL, NULL);
    log_set_level(LOG_INFO);
    assert_int_equal(counted.lines + counted.held_back + site.held_back, THREADS * LINES);
}

static void *log_always(void *barrier) {
    pthread_barrier_wait(barrier);
    for (int i = 0; i < LINES; i++) LOG_ALWAYS(LOG_INFO, "always", LOG_NUMBER("i", i));
    return NULL;
}

static void lines_of_several_threads_are_whole(void **state) {
    struct counted counted = {0};
    log_set_sink(count_line, &counted);
    run_in_threads(log_always);
    log_set_sink(NULL, NULL);
    assert_int_equal(counted.lines, THREADS * LINES);
    assert_int_equal(counted.broken, 0);
}

static void each_line_that_stderr_does_not_take_is_counted(void **state) {
    int before = dup(STDERR_FILENO), nobody = open("/dev/full", O_WRONLY);
    uint64_t dropped = log_dropped();
    assert_true(before >= 0 && nobody >= 0);
    dup2(nobody, STDERR_FILENO);
    run_in_threads(log_always);
    dup2(before, STDERR_FILENO);
    close(before);
    close(nobody);
    assert_int_equal(log_dropped() - dropped, THREADS * LINES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_threads_hash_with_one_key),
        cmocka_unit_test(lines_of_one_site_are_written_or_counted_whichever_thread_logs),
        cmocka_unit_test(lines_of_several_threads_are_whole),
        cmocka_unit_test(each_line_that_stderr_does_not_take_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
