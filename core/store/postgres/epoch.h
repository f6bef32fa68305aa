/* SPDX-License-Identifier: Apache-2.0 */
/* epoch.h - a new epoch of a PostgreSQL database, by hand: `stoa epoch begin`. For the shell: it waits. */
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

/* Of a shard, or of the global one (-1); the servers of the fleet notice at their next write or probe. It is above what
 * the other databases know of this one, so they must answer: of the shards those that can be reached, one at least. */
bool postgres_begin_epoch(const struct postgres_databases *databases, int shard, char epoch_r[STORE_EPOCH_MAX],
                          struct error *error_r) MUST_CHECK;

#endif
