/* SPDX-License-Identifier: Apache-2.0 */
/* privileges.h - what a server process gives up once its ports are bound. */
#ifndef PROCESS_PRIVILEGES_H
#define PROCESS_PRIVILEGES_H

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"

/* Gives up what only binding the ports needed: started as root, it becomes that user for good (NULL: stays, and it is
 * logged); no user but root keeps a capability. Before any file is opened. */
bool privileges_drop(const char *user, struct error *error_r) MUST_CHECK;

#endif
