/* SPDX-License-Identifier: Apache-2.0 */
#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_all(int fd, struct buffer *out, struct error *error_r) {
    for (size_t total = 0;;) {
        char *space = buffer_reserve(out, 65536);
        ssize_t len = read(fd, space, 65536);
        if (len == 0) return true;
        if (len < 0) {
            error_set(error_r, "%s", strerror(errno));
            return false;
        }
        out->len += (size_t)len;
        total += (size_t)len;
        if (total > FILE_MAX_BYTES) {
            error_set(error_r, "is larger than %d bytes", FILE_MAX_BYTES);
            return false;
        }
    }
}

bool file_read(const char *path, struct buffer *out, struct error *error_r) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        error_set(error_r, "%s", strerror(errno));
        return false;
    }
    struct stat file;
    bool read = false;
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode))
        error_set(error_r, "is no regular file");
    else if (file.st_size > FILE_MAX_BYTES)
        error_set(error_r, "is larger than %d bytes", FILE_MAX_BYTES);
    else
        read = read_all(fd, out, error_r);
    close(fd);
    return read;
}

char *file_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    char *folder = slash ? memory_copy(path, slash == path ? 1 : (size_t)(slash - path)) : memory_copy(".", 1);
    char *real = realpath(folder, NULL);
    if (!real) return folder;
    free(folder);
    return real;
}

bool file_read_script(const char *path, struct buffer *out, struct error *error_r) {
    char *folder = file_folder(path), *target = realpath(path, NULL);
    size_t len = strlen(folder);
    bool inside = !target || (strncmp(target, folder, len) == 0 && (target[len] == '/' || len == 1));
    free(folder);
    free(target);
    if (inside) return file_read(path, out, error_r);
    error_set(error_r, "is a link out of its folder");
    return false;
}

bool file_is_world_readable(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 && (file.st_mode & S_IROTH);
}

char *file_resolve(const char *folder, const char *path) {
    struct buffer out = {0};
    if (path[0] != '/') buffer_append_str(&out, strcmp(folder, "/") == 0 ? "" : folder);
    while (*path) {
        size_t len = strcspn(path, "/");
        if (len == 2 && strncmp(path, "..", 2) == 0) {
            while (out.len > 0 && out.ptr[--out.len] != '/') continue;
        } else if (len > 0 && !(len == 1 && path[0] == '.')) {
            buffer_append_char(&out, '/');
            buffer_append(&out, path, len);
        }
        path += len + (path[len] == '/');
    }
    if (out.len == 0) buffer_append_char(&out, '/');
    return buffer_take(&out, NULL);
}
