/* SPDX-License-Identifier: Apache-2.0 */
/* verify_command.h - `stoa verify` for any store that a configuration names; `stoa epoch begin` for a fleet's
 * databases.
 */
#ifndef COMMAND_VERIFY_COMMAND_H
#define COMMAND_VERIFY_COMMAND_H

#include <stdbool.h>

struct config;

/* Returns the exit status: 0 sound, 1 damaged (findings on stdout, one a line), 4 not everything could be read. */
int verify_command_file(const char *path, bool json);
/* shard -1: all shards and the global database. */
int verify_command_fleet(const struct config *config, long shard, bool json);
/* global: the global database; else the shard. */
int verify_command_begin_epoch(const struct config *config, long shard, bool global);

#endif
