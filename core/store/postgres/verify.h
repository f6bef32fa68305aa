/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - whether what the databases of a fleet hold keeps the promises. For the shell: it waits. */
#ifndef STORE_POSTGRES_VERIFY_H
#define STORE_POSTGRES_VERIFY_H

#include <stdbool.h>

#include "base/error.h"

struct verify;

/* The databases of a fleet. shard -1: all, and the global one. Not all could be read: error_r tells of the last, and
 * the others were looked at. */
struct verify_fleet {
    const char *global;
    const char *const *shards;
    unsigned shards_len;
    int only; /* -1: all shards */
};
bool postgres_verify(const struct verify_fleet *fleet, struct verify *verify, struct error *error_r) MUST_CHECK;

#endif
