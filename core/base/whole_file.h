/* SPDX-License-Identifier: Apache-2.0 */
/* whole_file.h - a file that appears under its name when it is whole and on the disk, or not at all.
 *
 * It is written as NAME.partial beside it, whose lock tells one that is being written from what a killed process left:
 * that is removed by the next one. Only the file's owner may read it.
 */
#ifndef BASE_WHOLE_FILE_H
#define BASE_WHOLE_FILE_H

#include <stdbool.h>

#include "base/error.h"

struct whole_file {
    char *path, *partial; /* where it is to be, and where to write it */
    int fd;               /* of partial */
};

bool whole_file_begin(struct whole_file *file, const char *path, struct error *error_r) MUST_CHECK;
/* replace: there may be one of that name already. False: error_r; it is not there, or (partial NULL) it is, and may not
 * be after a power cut. */
bool whole_file_put(struct whole_file *file, bool replace, struct error *error_r) MUST_CHECK;
/* What was not put is removed. */
void whole_file_done(struct whole_file *file);

/* The names in the folder of path are on the disk. False: errno. */
bool whole_file_sync_folder(const char *path) MUST_CHECK;

#endif
