/* SPDX-License-Identifier: Apache-2.0 */
/* Replaces the store's operations with wrappers. */
#include "store/swapped_sends.h"

#ifdef STOA_FAULTS

#include <stdlib.h>

#include "base/fault.h"
#include "loop/loop.h"
#include "store/store_driver.h"

enum { WAIT_MS = 50 };

struct swapped_sends {
    struct store_ops ops; /* replace these: */
    const struct store_ops *real;
    struct store *store;
    struct store_request *first; /* waits briefly for the sender's next append */
    struct loop_timer alone;
};

static void submit_first(struct swapped_sends *swapped) {
    struct store_request *first = swapped->first;
    swapped->first = NULL;
    loop_timer_cancel(&swapped->alone);
    if (first) swapped->real->submit(swapped->store, first);
}

static void none_has_followed(struct loop_timer *timer) {
    submit_first(CONTAINER(timer, struct swapped_sends, alone));
}

static void submit(struct store *store, struct store_request *request) {
    struct swapped_sends *swapped = CONTAINER(store->ops, struct swapped_sends, ops);
    bool is_append = request->op == STORE_APPEND;
    bool follows = is_append && swapped->first && slice_equal(swapped->first->user_id, request->user_id);
    if (is_append && !follows) {
        submit_first(swapped);
        swapped->first = request;
        loop_timer_set(&swapped->alone, WAIT_MS);
        return;
    }
    swapped->real->submit(store, request);
    if (follows) submit_first(swapped);
}

static void close_store(struct store *store, unsigned deadline_ms) {
    struct swapped_sends *swapped = CONTAINER(store->ops, struct swapped_sends, ops);
    submit_first(swapped);
    store->ops = swapped->real;
    free(swapped);
    store->ops->close(store, deadline_ms);
}

void swapped_sends_plant(struct loop *loop, struct store *store) {
    if (!fault_planted("swap_sends")) return;
    struct swapped_sends *swapped = NEW(struct swapped_sends);
    *swapped = (struct swapped_sends){.ops = *store->ops, .real = store->ops, .store = store};
    swapped->ops.submit = submit;
    swapped->ops.close = close_store;
    loop_timer_init(&swapped->alone, loop, none_has_followed);
    store->ops = &swapped->ops;
}

#else
/* ISO C requires a declaration in each file. */
typedef int swapped_sends_are_left_out;
#endif
