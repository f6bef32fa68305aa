/* SPDX-License-Identifier: Apache-2.0 */
/* odd_store.h - a world's store. It counts the requests that the real one has, and can answer at odd moments: within
 * the call, all at once, or as late as when the worker ends. */
#ifndef LUA_TESTING_ODD_STORE_H
#define LUA_TESTING_ODD_STORE_H

struct odd_store;
struct loop;
struct store;

enum odd_store_mode {
    ODD_STORE_PLAIN,    /* each answer when it comes */
    ODD_STORE_AT_ONCE,  /* each request is refused within the call */
    ODD_STORE_TOGETHER, /* answers wait for each other: all are told when none is under way any more */
    ODD_STORE_LATE /* each waits until the end: one is refused in the next turn, the others while the store closes */
};

/* In the store's place from now on; frees itself when the store is closed. */
struct odd_store *odd_store_new(struct loop *loop, struct store *store);
/* Once, while no request is under way. */
void odd_store_set(struct odd_store *odd, enum odd_store_mode mode);
/* Requests that the real store has not answered. */
unsigned odd_store_under_way(const struct odd_store *odd);
/* The world is about to close. */
void odd_store_end(struct odd_store *odd);

#endif
