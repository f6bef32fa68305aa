/* SPDX-License-Identifier: Apache-2.0 */
/* number.h - one number that a SQLite database says. core/store only. */
#ifndef STORE_SQLITE_NUMBER_H
#define STORE_SQLITE_NUMBER_H

#include <stdint.h>

struct sqlite3;

/* The first column of the first row; -1: there is none, or the query fails. */
int64_t sqlite_number(struct sqlite3 *handle, const char *sql);

#endif
