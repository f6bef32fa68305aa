/* SPDX-License-Identifier: Apache-2.0 */
#include "process/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "config/file.h"

static int open_log(const char *path, int flags, struct error *error_r) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | flags, 0600);
    if (fd < 0) error_set(error_r, "%s: %s", path, strerror(errno));
    return fd;
}

bool log_file_begin(const char *path, struct error *error_r) {
    if (!path) return true;
    int fd = open_log(path, O_CREAT, error_r);
    if (fd < 0) return false;
    dup2(fd, STDERR_FILENO);
    close(fd);
    return true;
}

bool log_file_try(const char *path, struct error *error_r) {
    struct stat file;
    if (!path) return true;
    if (stat(path, &file) != 0 && errno == ENOENT) {
        char *folder = file_folder(path);
        bool good = access(folder, W_OK | X_OK) == 0;
        if (!good) error_set(error_r, "%s: %s", path, strerror(errno));
        free(folder);
        return good;
    }
    int fd = open_log(path, 0, error_r);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

void log_file_reopen(const char *path) {
    struct error error;
    if (!log_file_begin(path, &error))
        LOG_ALWAYS(LOG_ERROR, "log.not_opened", LOG_TEXT("file", path), LOG_TEXT("error", error.text));
}

void log_file_set_level(const struct config *config) {
    enum log_level level;
    if (log_level_of(config->log_level, &level)) log_set_level(level);
}
