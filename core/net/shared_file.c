/* SPDX-License-Identifier: Apache-2.0 */
#include "net/shared_file.h"

#include <stdlib.h>
#include <unistd.h>

static bool same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_unchanged(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(a->st_mtim, b->st_mtim);
}

struct shared_file *shared_file_open(struct list *sent, int fd, const struct stat *about) {
    LIST_EACH(sent, link) {
        struct shared_file *known = CONTAINER(link, struct shared_file, link);
        if (!is_unchanged(&known->about, about)) continue;
        close(fd);
        return shared_file_ref(known);
    }
    struct shared_file *file = NEW(struct shared_file);
    *file = (struct shared_file){.refs = 1, .fd = fd, .about = *about};
    list_append(sent, &file->link);
    return file;
}

struct shared_file *shared_file_ref(struct shared_file *file) {
    file->refs++;
    return file;
}

void shared_file_unref(struct shared_file **owned) {
    struct shared_file *file = *owned;
    *owned = NULL;
    if (!file || --file->refs > 0) return;
    list_remove(&file->link);
    close(file->fd);
    free(file);
}
