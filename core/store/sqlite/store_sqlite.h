/* SPDX-License-Identifier: Apache-2.0 */
/* store_sqlite.h - the store in one file, for one process. */
#ifndef STORE_SQLITE_STORE_SQLITE_H
#define STORE_SQLITE_STORE_SQLITE_H

#include <stdbool.h>

#include "base/error.h"

struct loop;
struct store;
struct store_progress;

/* True: path is an existing file, or its folder allows to create one. */
bool store_sqlite_has_place(const char *path, struct error *error_r) MUST_CHECK;
/* Would store_sqlite_new open it? For the shell: it blocks, and changes nothing. */
bool store_sqlite_check(const char *path, struct error *error_r) MUST_CHECK;
/* path ":memory:" for tests. Checks the file, migrates the schema (may take long), starts the threads. progress may be
 * NULL. */
struct store *store_sqlite_new(struct loop *loop, const char *path, const struct store_progress *progress,
                               struct error *error_r) MUST_CHECK;

#endif
