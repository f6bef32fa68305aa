/* SPDX-License-Identifier: Apache-2.0 */
/* any_order.h - reproducible random numbers, and a store of channels that answers pending requests in any order. */
#ifndef TESTS_ANY_ORDER_H
#define TESTS_ANY_ORDER_H

#include "base/buffer.h"
#include "store/store_driver.h"

enum { CHANNELS = 2 };
extern const char *const channels[CHANNELS];

/* The same seed gives the same numbers. */
void chance_seed(uint64_t seed);
unsigned below(unsigned n);
bool percent(unsigned p);

struct any_order_store {
    struct store store;
    struct list waiting;
    unsigned len;
    int64_t heads[CHANNELS];
};
void any_order_store_init(struct any_order_store *fake);
/* Answers one pending request, if there is one; now and then with UNAVAILABLE. */
void any_order_store_answer(struct any_order_store *fake);
void write_event(struct buffer *out, unsigned channel, int64_t seq);

#endif
