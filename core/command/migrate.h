/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.h - `stoa migrate`: migrates the schemas of the databases in a configuration. */
#ifndef COMMAND_MIGRATE_H
#define COMMAND_MIGRATE_H

#include <stdbool.h>

struct config;

/* Prints a line for each database on stdout. False: at least one could not be migrated (stderr says why); the others
 * were. */
bool migrate_all(const struct config *config);

#endif
