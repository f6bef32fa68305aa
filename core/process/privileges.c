/* SPDX-License-Identifier: Apache-2.0 */
#include "process/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"

static bool become(const char *name, struct error *error_r) {
    const struct passwd *user = name ? getpwnam(name) : NULL;
    if (name && !user) {
        error_set(error_r, "there is no user \"%s\"", name);
        return false;
    }
    if (!name || geteuid() != 0) return true;
    bool done = initgroups(name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0;
    if (done && (user->pw_uid == 0 || setuid(0) != 0)) return true;
    error_set(error_r, "cannot become \"%s\": %s", name, done ? "root privileges could be regained" : strerror(errno));
    return false;
}

/* A service manager may have granted them. */
static bool give_up_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3], none[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, held) != 0) return false;
    return memcmp(held, none, sizeof none) == 0 || syscall(SYS_capset, &header, none) == 0;
}

bool privileges_drop(const char *user, struct error *error_r) {
    if (!become(user, error_r)) return false;
    if (geteuid() == 0)
        LOG_ALWAYS(LOG_WARNING, "server.is_root", LOG_TEXT("advice", "set user"));
    else if (!give_up_capabilities())
        LOG_ALWAYS(LOG_WARNING, "server.keeps_capabilities", LOG_TEXT("error", strerror(errno)));
    return true;
}
