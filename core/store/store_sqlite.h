/* store_sqlite.h - the store in one file, for one process. */
#ifndef STORE_STORE_SQLITE_H
#define STORE_STORE_SQLITE_H

#include "base/error.h"

struct loop;
struct store;
struct store_progress;

/* path ":memory:" for tests. Looks at the file, migrates the schema (which may take long), starts the threads.
 * progress may be NULL. */
struct store *store_sqlite_new(struct loop *loop, const char *path, const struct store_progress *progress,
                               struct error *error_r) MUST_CHECK;

#endif
