/* store_driver.h - what a driver implements. */
#ifndef STORE_STORE_DRIVER_H
#define STORE_STORE_DRIVER_H

#include "store/store.h"

struct store_ops {
    void (*submit)(struct store *store, struct store_request *request);
    /* Waits for what is under way (bounded by deadline_ms), then frees. Completions that are left run with UNAVAILABLE.
     */
    void (*close)(struct store *store, unsigned deadline_ms);
};
struct store {
    const struct store_ops *ops;
};

#endif
