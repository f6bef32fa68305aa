/* SPDX-License-Identifier: Apache-2.0 */
/* store_drivers.h - the drivers that hold the contract of stores, with the servers that this test has. */
#ifndef TESTS_STORE_DRIVERS_H
#define TESTS_STORE_DRIVERS_H

#include <stdbool.h>

#include "base/error.h"

struct loop;
struct store;

struct store_driver {
    const char *name;
    /* An empty store; NULL and why there is none. */
    struct store *(*make)(struct loop *loop, struct error *error_r);
    bool (*is_here)(void);
};
/* Ends with one without a name. Without servers SQLite alone, with them the others. */
extern const struct store_driver store_drivers[];
/* What the store needed, once it is closed. */
void store_drivers_done(void);

#endif
