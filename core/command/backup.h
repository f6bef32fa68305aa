/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h - `stoa backup`, `stoa restore` and `stoa epoch begin` for a SQLite store: their output and exit status.
 */
#ifndef COMMAND_BACKUP_H
#define COMMAND_BACKUP_H

#include <stdbool.h>

struct backup_order {
    const char *path; /* of the store */
    const char *file; /* of the backup */
    bool replace;     /* may overwrite an existing file */
    bool unsound;     /* accepts a damaged backup */
};

/* Return the exit status. Results go to stdout, errors to stderr. SIGINT, SIGTERM and SIGHUP stop a copy and remove
 * what was written. */
int backup_make(const struct backup_order *order);
int backup_restore(const struct backup_order *order);
int backup_begin_epoch(const char *path);

#endif
