/* postgres_migrate.h - the schema of a PostgreSQL database, brought up to this server's. For the shell: it waits. */
#ifndef STORE_POSTGRES_MIGRATE_H
#define STORE_POSTGRES_MIGRATE_H

#include <stdbool.h>

#include "base/error.h"

/* config/sql/postgres, NULL at the end. */
extern const char *const postgres_global_migrations[], *const postgres_shard_migrations[];

/* Of a NULL-terminated table. */
unsigned postgres_migrations_len(const char *const *migrations);

/* Runs those that the database has not had yet, all of them or none; of two that do so at once, one waits. from_r,
 * to_r: the schema's versions before and after. */
bool postgres_migrate(const char *conninfo, const char *const *migrations, unsigned *from_r, unsigned *to_r,
                      struct error *error_r) MUST_CHECK;

#endif
