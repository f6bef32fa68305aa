/* SPDX-License-Identifier: Apache-2.0 */
#include "base/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buffer.h"

static bool fail(const char *path, struct error *error_r) {
    error_set(error_r, "%s: %s", path, strerror(errno));
    return false;
}

/* What a killed process left has no lock any more. */
static bool remove_left_over(const char *partial, struct error *error_r) {
    int fd = open(partial, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || fail(partial, error_r);
    bool free = flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (!free) error_set(error_r, "%s: is being written by another process", partial);
    bool gone = free && (unlink(partial) == 0 || fail(partial, error_r));
    close(fd);
    return gone;
}

bool whole_file_begin(struct whole_file *file, const char *path, struct error *error_r) {
    struct buffer name = {0};
    buffer_printf(&name, "%s.partial", path);
    *file = (struct whole_file){.path = memory_copy(path, strlen(path)), .partial = buffer_take(&name, NULL), .fd = -1};
    if (!remove_left_over(file->partial, error_r)) return false;
    file->fd = open(file->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file->fd < 0 || flock(file->fd, LOCK_EX | LOCK_NB) != 0) return fail(file->partial, error_r);
    return true;
}

bool whole_file_sync_folder(const char *path) {
    char *copy = memory_copy(path, strlen(path));
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (folder < 0) return false;
    bool good = fsync(folder) == 0;
    int reason = errno;
    close(folder);
    errno = reason;
    return good;
}

/* Some file systems cannot refuse by themselves. */
static int rename_to_new_name(const char *from, const char *to) {
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
    if (errno != EINVAL && errno != ENOSYS) return -1;
    if (link(from, to) != 0) return -1;
    return unlink(from);
}

bool whole_file_put(struct whole_file *file, bool replace, struct error *error_r) {
    if (fsync(file->fd) != 0) return fail(file->partial, error_r);
    int put = replace ? rename(file->partial, file->path) : rename_to_new_name(file->partial, file->path);
    if (put != 0) return fail(file->path, error_r);
    free(file->partial);
    file->partial = NULL;
    return whole_file_sync_folder(file->path) || fail(file->path, error_r);
}

void whole_file_done(struct whole_file *file) {
    if (file->partial && file->fd >= 0) unlink(file->partial);
    if (file->fd >= 0) close(file->fd);
    free(file->partial);
    free(file->path);
    *file = (struct whole_file){.fd = -1};
}
