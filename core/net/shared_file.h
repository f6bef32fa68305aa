/* SPDX-License-Identifier: Apache-2.0 */
/* shared_file.h - an open file that answers send: the kernel reads it from its cache, and all answers with the same
 * file share its one descriptor. core/net only.
 */
#ifndef NET_SHARED_FILE_H
#define NET_SHARED_FILE_H

#include <sys/stat.h>

#include "base/list.h"

struct shared_file {
    struct list link; /* among those that are being sent */
    unsigned refs;
    int fd;
    struct stat about; /* as it was opened */
};

/* Takes fd. The one that is open already, if it is the same file and has not changed since; the caller owns a
 * reference.
 */
struct shared_file *shared_file_open(struct list *sent, int fd, const struct stat *about);
struct shared_file *shared_file_ref(struct shared_file *file);
void shared_file_unref(struct shared_file **file);

#endif
