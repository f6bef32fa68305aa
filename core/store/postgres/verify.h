/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - checks that the databases of a fleet keep the store's guarantees. For the shell: it blocks. */
#ifndef STORE_POSTGRES_VERIFY_H
#define STORE_POSTGRES_VERIFY_H

#include <stdbool.h>

#include "base/error.h"

struct verify;

/* The databases of a fleet. False: some could not be read; error_r names the last, and the others were checked. */
struct verify_fleet {
    const char *global;
    const char *const *shards;
    unsigned shards_len;
    int only; /* -1: all shards, and the global database */
};
bool postgres_verify(const struct verify_fleet *fleet, struct verify *verify, struct error *error_r) MUST_CHECK;

#endif
