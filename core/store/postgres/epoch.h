/* SPDX-License-Identifier: Apache-2.0 */
/* epoch.h - begins a new epoch of a PostgreSQL database by hand: `stoa epoch begin`. For the shell: it blocks. */
#ifndef STORE_POSTGRES_EPOCH_H
#define STORE_POSTGRES_EPOCH_H

#include <stdbool.h>

#include "base/error.h"
#include "store/store.h"

struct postgres_databases {
    const char *global; /* conninfos */
    const char *const *shards;
    unsigned shards_len;
};

/* Begins an epoch of a shard, or of the global database (-1); the servers notice at their next write or probe. The new
 * epoch is above any that the other databases have recorded for this one, so they must answer: the global database,
 * and of the shards those that can be reached, at least one. */
bool postgres_begin_epoch(const struct postgres_databases *databases, int shard, char epoch_r[STORE_EPOCH_MAX],
                          struct error *error_r) MUST_CHECK;

#endif
