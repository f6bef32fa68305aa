/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - checks that a SQLite file keeps the store's guarantees. For the shell: it blocks. */
#ifndef STORE_SQLITE_VERIFY_H
#define STORE_SQLITE_VERIFY_H

#include <stdbool.h>

#include "base/error.h"

struct verify;

/* Checks a SQLite file, even while a server writes to it; changes nothing. False: it could not be read completely
 * (error_r). */
bool sqlite_verify(const char *path, struct verify *verify, struct error *error_r) MUST_CHECK;

#endif
