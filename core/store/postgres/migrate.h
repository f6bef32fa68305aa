/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.h - the schema of a PostgreSQL database, brought up to this server's. For the shell: it waits. */
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

enum { POSTGRES_FLEET_MAX = 40, POSTGRES_STAMP_NAME_MAX = 80 };
/* Whose database it is. fleet: of the global one "", and then its fleet; of a shard its global one's. */
struct postgres_stamp {
    char fleet[POSTGRES_FLEET_MAX];
    int shard; /* -1: the global one */
};
const char *postgres_stamp_name(const struct postgres_stamp *stamp, char name[POSTGRES_STAMP_NAME_MAX]);

/* Puts the stamp on a database that has none. False: error_r; it may have another one, which it names. */
bool postgres_stamp(const char *conninfo, struct postgres_stamp *stamp, struct error *error_r) MUST_CHECK;

#endif
