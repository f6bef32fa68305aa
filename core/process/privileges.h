/* SPDX-License-Identifier: Apache-2.0 */
/* privileges.h - what a server process gives up once its ports are bound. */
#ifndef PROCESS_PRIVILEGES_H
#define PROCESS_PRIVILEGES_H

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"

/* Drops the privileges that only binding ports needed. Started as root, the process becomes that user permanently
 * (NULL: stays root, and logs it); other users lose all capabilities. Call before opening any file. */
bool privileges_drop(const char *user, struct error *error_r) MUST_CHECK;

#endif
