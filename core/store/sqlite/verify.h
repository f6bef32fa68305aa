/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - whether what a SQLite file holds keeps the promises. For the shell: it waits. */
#ifndef STORE_SQLITE_VERIFY_H
#define STORE_SQLITE_VERIFY_H

#include <stdbool.h>

#include "base/error.h"

struct verify;

/* A SQLite file, also while a server writes to it; changes nothing. False: it cannot be read, or not to its end
 * (error_r). */
bool sqlite_verify(const char *path, struct verify *verify, struct error *error_r) MUST_CHECK;

#endif
