/* SPDX-License-Identifier: Apache-2.0 */
/* direct.h - a connection for the commands of the shell: it waits. */
#ifndef STORE_POSTGRES_DIRECT_H
#define STORE_POSTGRES_DIRECT_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "base/error.h"

/* To the primary. NULL: error_r. */
PGconn *postgres_direct_open(const char *conninfo, struct error *error_r);
/* With the texts as $1, $2 …, NULL for null. NULL: it failed (error_r); the caller clears. */
PGresult *postgres_direct_ask(PGconn *connection, const char *sql, int len, const char *const *texts,
                              struct error *error_r) MUST_CHECK;

#endif
