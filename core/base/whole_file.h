/* SPDX-License-Identifier: Apache-2.0 */
/* whole_file.h - a file that appears under its name only when it is complete and on the disk.
 *
 * It is written as NAME.partial in the same folder. A lock on NAME.partial shows that it is being written; the next
 * writer removes an unlocked one, left by a killed process. Only the file's owner may read it.
 */
#ifndef BASE_WHOLE_FILE_H
#define BASE_WHOLE_FILE_H

#include <stdbool.h>

#include "base/error.h"

struct whole_file {
    char *path, *partial; /* final path, and the path to write to */
    int fd;               /* of partial */
};

bool whole_file_begin(struct whole_file *file, const char *path, struct error *error_r) MUST_CHECK;
/* replace: an existing file may be replaced. False: error_r says why; the file is not there or, if partial is NULL, it
 * is there but a power cut may lose it. */
bool whole_file_put(struct whole_file *file, bool replace, struct error *error_r) MUST_CHECK;
/* Removes the partial file unless it was put. */
void whole_file_done(struct whole_file *file);

/* Syncs the folder of path to the disk. False: errno. */
bool whole_file_sync_folder(const char *path) MUST_CHECK;

#endif
