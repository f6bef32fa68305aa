/* SPDX-License-Identifier: Apache-2.0 */
/* store_drivers.h - the drivers that the store contract runs with, depending on the servers of this test. */
#ifndef TESTS_STORE_DRIVERS_H
#define TESTS_STORE_DRIVERS_H

#include <stdbool.h>

#include "base/error.h"

struct loop;
struct store;

struct store_driver {
    const char *name;
    /* An empty store; NULL: error_r says why not. */
    struct store *(*make)(struct loop *loop, struct error *error_r);
    bool (*is_here)(void);
};
/* Ends with an entry without a name. Without servers: SQLite only; with servers: the others. */
extern const struct store_driver store_drivers[];
/* Frees what the store needed; call after closing it. */
void store_drivers_done(void);

#endif
