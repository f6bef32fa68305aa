/* SPDX-License-Identifier: Apache-2.0 */
/* direct.h - a connection for shell commands: it blocks. */
#ifndef STORE_POSTGRES_DIRECT_H
#define STORE_POSTGRES_DIRECT_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/error.h"

/* Connects to the primary. NULL: error_r. */
PGconn *postgres_direct_open(const char *conninfo, struct error *error_r);
/* texts are $1, $2 …; NULL means SQL NULL. Returns NULL on failure (error_r); the caller clears the result. */
PGresult *postgres_direct_ask(PGconn *connection, const char *sql, int len, const char *const *texts,
                              struct error *error_r) MUST_CHECK;

#endif
