/* master.h - the process that outlives its workers: binds the port, starts and replaces them, relays signals.
 *
 * It holds no client and runs no script; it reads the configuration, so that a broken one never reaches a worker.
 */
#ifndef SERVER_MASTER_H
#define SERVER_MASTER_H

#include "server/worker.h"

struct master_start {
    const char *config_path;
    const char *const *sets; /* --set KEY=VALUE */
    size_t sets_len;
    const struct policy_source *source;
};

/* Until SIGTERM. The exit status of the process. */
int master_run(const struct master_start *start);

#endif
