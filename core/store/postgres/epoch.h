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
 * epoch is above any that other databases have recorded for this one, so these must answer: for a shard the global
 * database; for the global one at least one shard, and all that can be reached. */
bool postgres_begin_epoch(const struct postgres_databases *databases, int shard, char epoch_r[STORE_EPOCH_MAX],
                          struct error *error_r) MUST_CHECK;

#endif
