/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - `stoa verify` of whatever store a configuration names; `stoa epoch begin` of a fleet's databases. */
#ifndef COMMAND_VERIFY_H
#define COMMAND_VERIFY_H

#include <stdbool.h>

struct config;

/* The exit status: 0 sound, 1 something is wrong (a line each on stdout), 4 not all could be read. */
int verify_file(const char *path, bool json);
/* shard -1: all, and the global database. */
int verify_fleet(const struct config *config, long shard, bool json);
/* Of the shard, or of the global database. */
int verify_begin_epoch(const struct config *config, long shard, bool global);

#endif
