/* SPDX-License-Identifier: Apache-2.0 */
/* libpq 15 keeps the key that a CancelRequest needs to itself, and its PQcancel connects, sends and waits: in a thread
 * of its own, which shares nothing with the loop but a count. */
#include "postgres/cancel.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { CANCELS_MAX = 8, STACK_BYTES = 256 << 10 };

static atomic_int under_way;

static void *run(void *owner) {
    PGcancel *cancel = owner;
    char message[256];
    PQcancel(cancel, message, sizeof message);
    PQfreeCancel(cancel);
    atomic_fetch_sub(&under_way, 1);
    return NULL;
}

static bool start(PGcancel *cancel) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* the loop handles signals; the thread inherits the mask */
    bool started = pthread_create(&thread, &attributes, run, cancel) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

bool cancel_send(struct pg_conn *connection) {
    PGcancel *cancel = PQgetCancel(connection);
    if (!cancel) return false;
    bool started = atomic_fetch_add(&under_way, 1) < CANCELS_MAX && start(cancel);
    if (started) return true;
    atomic_fetch_sub(&under_way, 1);
    PQfreeCancel(cancel);
    return false;
}
