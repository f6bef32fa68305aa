/* SPDX-License-Identifier: Apache-2.0 */
/* odd_store.h - wraps a world's store. It counts the requests that the real store has, and can answer at unusual times:
 * within the call, all together, or only when the worker ends. */
#ifndef LUA_TESTING_ODD_STORE_H
#define LUA_TESTING_ODD_STORE_H

struct odd_store;
struct loop;
struct store;

enum odd_store_mode {
    ODD_STORE_PLAIN,    /* passes on each answer immediately */
    ODD_STORE_AT_ONCE,  /* each request is refused within the call */
    ODD_STORE_TOGETHER, /* holds all answers until no request is under way, then delivers them */
    ODD_STORE_LATE /* holds each until the end: one is refused in the next turn, the others while the store closes */
};

/* Replaces the store from now on; frees itself when the store is closed. */
struct odd_store *odd_store_new(struct loop *loop, struct store *store);
/* Call it once, while no request is under way. */
void odd_store_set(struct odd_store *odd, enum odd_store_mode mode);
/* Number of requests that the real store has not answered. */
unsigned odd_store_under_way(const struct odd_store *odd);
/* Call it when the world is about to close. */
void odd_store_end(struct odd_store *odd);

#endif
