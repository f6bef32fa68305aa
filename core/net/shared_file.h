/* SPDX-License-Identifier: Apache-2.0 */
/* shared_file.h - an open file that answers send: the kernel reads it from its cache, and all answers with the same
 * file share one descriptor. core/net only. */
#ifndef NET_SHARED_FILE_H
#define NET_SHARED_FILE_H

#include <sys/stat.h>

#include "base/list.h"

struct shared_file {
    struct list link; /* in the list of files being sent */
    unsigned refs;
    int fd;
    struct stat about; /* when it was opened */
};

/* Takes ownership of fd. Returns the already open file if it is the same one and unchanged. The caller owns a
 * reference. */
struct shared_file *shared_file_open(struct list *sent, int fd, const struct stat *about);
struct shared_file *shared_file_ref(struct shared_file *file);
void shared_file_unref(struct shared_file **file);

#endif
