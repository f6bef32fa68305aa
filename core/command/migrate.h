/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.h - `stoa migrate`: the schemas of the databases that a configuration names. */
#ifndef COMMAND_MIGRATE_H
#define COMMAND_MIGRATE_H

#include <stdbool.h>

struct config;

/* Says on stdout what it does, a line a database. False: one at least could not be migrated (stderr says why); the
 * others were. */
bool migrate_all(const struct config *config);

#endif
