/* SPDX-License-Identifier: Apache-2.0 */
/* verify_command.h - `stoa verify` of whatever store a configuration names; `stoa epoch begin` of a fleet's databases.
 */
#ifndef COMMAND_VERIFY_COMMAND_H
#define COMMAND_VERIFY_COMMAND_H

#include <stdbool.h>

struct config;

/* The exit status: 0 sound, 1 something is wrong (a line each on stdout), 4 not all could be read. */
int verify_command_file(const char *path, bool json);
/* shard -1: all, and the global database. */
int verify_command_fleet(const struct config *config, long shard, bool json);
/* Of the shard, or of the global database. */
int verify_command_begin_epoch(const struct config *config, long shard, bool global);

#endif
