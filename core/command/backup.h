/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h - `stoa backup`, `stoa restore` and `stoa epoch begin` of a SQLite store: what they say, and how they end.
 */
#ifndef COMMAND_BACKUP_H
#define COMMAND_BACKUP_H

#include <stdbool.h>

struct backup_order {
    const char *path; /* of the store */
    const char *file; /* of the backup */
    bool replace;     /* there may be a file of that name */
    bool unsound;     /* what is wrong in it does not matter */
};

/* The exit status. What they did on stdout; why not on stderr. SIGINT, SIGTERM and SIGHUP end a copy, and leave
 * nothing of it. */
int backup_make(const struct backup_order *order);
int backup_restore(const struct backup_order *order);
int backup_begin_epoch(const char *path);

#endif
