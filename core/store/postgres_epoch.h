/* postgres_epoch.h - a new epoch of a PostgreSQL database, by hand: `stoa epoch begin`. For the shell: it waits. */
#ifndef STORE_POSTGRES_EPOCH_H
#define STORE_POSTGRES_EPOCH_H

#include <stdbool.h>

#include "base/error.h"
#include "store/store.h"

/* Of a shard; the servers of the fleet notice at their next write or probe. */
bool postgres_begin_epoch(const char *conninfo, char epoch_r[STORE_EPOCH_MAX], struct error *error_r) MUST_CHECK;

#endif
