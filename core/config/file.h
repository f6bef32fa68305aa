/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - reads the operator's files, and refuses files that cannot be intended. */
#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include "base/buffer.h"
#include "base/error.h"

enum { FILE_MAX_BYTES = 1048576 };

/* Appends the file's bytes. Only regular files of at most FILE_MAX_BYTES; never waits (a FIFO is refused). error_r:
 * "is no regular file" or similar, without the path. */
bool file_read(const char *path, struct buffer *out, struct error *error_r) MUST_CHECK;
/* The same for a script: a symbolic link must not lead out of the script's folder. */
bool file_read_script(const char *path, struct buffer *out, struct error *error_r) MUST_CHECK;
/* May users other than owner and group read it? */
bool file_is_world_readable(const char *path);
/* path as seen from folder, without "." and ".." (folder has none). The caller frees. */
char *file_resolve(const char *folder, const char *path);
/* The folder that path is in, absolute, symbolic links followed; "/" if there is none. The caller frees. */
char *file_folder(const char *path);

#endif
