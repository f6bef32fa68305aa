/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.h - migrates the schema of a PostgreSQL database to this server's version. For the shell: it blocks. */
#ifndef STORE_POSTGRES_MIGRATE_H
#define STORE_POSTGRES_MIGRATE_H

#include <stdbool.h>

#include "base/error.h"

/* config/sql/postgres, NULL at the end. */
extern const char *const postgres_global_migrations[], *const postgres_shard_migrations[];

/* Of a NULL-terminated table. */
unsigned postgres_migrations_len(const char *const *migrations);

/* Runs the migrations that the database lacks, all or none; of two concurrent runs, one waits. from_r, to_r: schema
 * versions before and after. */
bool postgres_migrate(const char *conninfo, const char *const *migrations, unsigned *from_r, unsigned *to_r,
                      struct error *error_r) MUST_CHECK;

enum { POSTGRES_FLEET_MAX = 40, POSTGRES_STAMP_NAME_MAX = 80 };
/* Identifies a database. fleet: for a shard, the id of the fleet; for the global database "" before postgres_stamp,
 * which fills in the id. */
struct postgres_stamp {
    char fleet[POSTGRES_FLEET_MAX];
    int shard; /* -1: the global one */
};
const char *postgres_stamp_name(const struct postgres_stamp *stamp, char name[POSTGRES_STAMP_NAME_MAX]);

/* Stamps a database that has no stamp. False: error_r; if the database has another stamp, error_r names it. */
bool postgres_stamp(const char *conninfo, struct postgres_stamp *stamp, struct error *error_r) MUST_CHECK;

#endif
