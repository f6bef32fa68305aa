#include "server/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"
#include "config/file.h"
#include "server/settings.h"

/* Beside connections: the store, the log, libraries, the other workers' places. */
enum { DESCRIPTORS_SPARE = 256 };

static bool become(const char *name, struct error *error_r) {
    const struct passwd *user = name ? getpwnam(name) : NULL;
    if (name && !user) {
        error_set(error_r, "there is no user \"%s\"", name);
        return false;
    }
    if (!name || geteuid() != 0) return true;
    bool done = initgroups(name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0;
    if (done && (user->pw_uid == 0 || setuid(0) != 0)) return true;
    error_set(error_r, "cannot become \"%s\": %s", name, done ? "root would stay in reach" : strerror(errno));
    return false;
}

/* As a service manager may have given them. */
static bool give_up_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3], none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, held) != 0) return false;
    return memcmp(held, none, sizeof none) == 0 || syscall(SYS_capset, &header, none) == 0;
}

bool environment_drop_privileges(const char *user, struct error *error_r) {
    if (!become(user, error_r)) return false;
    if (geteuid() == 0)
        LOG_ALWAYS(LOG_WARNING, "server.is_root", LOG_TEXT("advice", "set user"));
    else if (!give_up_capabilities())
        LOG_ALWAYS(LOG_WARNING, "server.keeps_capabilities", LOG_TEXT("error", strerror(errno)));
    return true;
}

unsigned environment_raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return UINT_MAX;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > UINT_MAX) return UINT_MAX;
    return limit.rlim_cur > DESCRIPTORS_SPARE ? (unsigned)limit.rlim_cur - DESCRIPTORS_SPARE : 1;
}

void environment_doubt_descriptors(const struct config *config) {
    unsigned connections = environment_raise_descriptors();
    if (connections < config->limits.connections)
        LOG_ALWAYS(LOG_WARNING, "server.few_descriptors", LOG_NUMBER("enough_for", connections),
                   LOG_NUMBER("connections", config->limits.connections));
}

static unsigned count_processors(void) {
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (unsigned)CPU_COUNT(&set);
    return online > 0 ? (unsigned)online : 1;
}

unsigned environment_workers(const struct config *config) {
    return settings_of_workers(config, count_processors(), environment_raise_descriptors());
}

static int open_log(const char *path, int flags, struct error *error_r) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | flags, 0600);
    if (fd < 0) error_set(error_r, "%s: %s", path, strerror(errno));
    return fd;
}

bool environment_begin_log(const char *path, struct error *error_r) {
    if (!path) return true;
    int fd = open_log(path, O_CREAT, error_r);
    if (fd < 0) return false;
    dup2(fd, STDERR_FILENO);
    close(fd);
    return true;
}

bool environment_try_log(const char *path, struct error *error_r) {
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

void environment_open_log(const char *path) {
    struct error error;
    if (!environment_begin_log(path, &error))
        LOG_ALWAYS(LOG_ERROR, "log.not_opened", LOG_TEXT("file", path), LOG_TEXT("error", error.text));
}

void environment_set_log_level(const struct config *config) {
    enum log_level level;
    if (log_level_of(config->log_level, &level)) log_set_level(level);
}
