/* SPDX-License-Identifier: Apache-2.0 */
/* startup.h - what the command line says of a server: master and workers read the configuration from it, at first and
 * at each reload.
 */
#ifndef PROCESS_STARTUP_H
#define PROCESS_STARTUP_H

#include <stddef.h>

struct policy_source;

/* Borrowed; outlives all of the server. */
struct startup {
    const char *config_path;
    const char *const *sets; /* --set KEY=VALUE */
    size_t sets_len;
    const struct policy_source *source;
};

#endif
