/* SPDX-License-Identifier: Apache-2.0 */
#include "process/process_limits.h"

#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "config/config.h"

/* Descriptors for other purposes than connections: the store, the log, libraries, the other workers' slots. */
enum { DESCRIPTORS_SPARE = 256 };

unsigned process_limits_raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return UINT_MAX;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > UINT_MAX) return UINT_MAX;
    return limit.rlim_cur > DESCRIPTORS_SPARE ? (unsigned)limit.rlim_cur - DESCRIPTORS_SPARE : 1;
}

void process_limits_doubt_descriptors(const struct config *config) {
    unsigned connections = process_limits_raise_descriptors();
    if (connections < config->limits.connections)
        LOG_ALWAYS(LOG_WARNING, "server.few_descriptors", LOG_NUMBER("enough_for", connections),
                   LOG_NUMBER("connections", config->limits.connections));
}

unsigned process_limits_processors(void) {
    cpu_set_t set;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (sched_getaffinity(0, sizeof set, &set) == 0) return (unsigned)CPU_COUNT(&set);
    return online > 0 ? (unsigned)online : 1;
}
