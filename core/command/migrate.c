/* SPDX-License-Identifier: Apache-2.0 */
#include "command/migrate.h"

#include <stdio.h>

#include "config/config.h"
#include "store/postgres/migrate.h"

static bool migrate(const char *name, const char *conninfo, const char *const *migrations) {
    struct error error;
    unsigned from, to;
    if (!postgres_migrate(conninfo, migrations, &from, &to, &error)) {
        fprintf(stderr, "%s: %s\n", name, error.text);
        return false;
    }
    if (from < to)
        printf("%s: version %u, was %u\n", name, to, from);
    else
        printf("%s: version %u, nothing to do\n", name, from);
    fflush(stdout);
    return true;
}

/* Stamps the database: refuses one that belongs to another fleet or role. */
static bool put_stamp(const char *name, const char *conninfo, struct postgres_stamp *stamp) {
    struct error error;
    if (postgres_stamp(conninfo, stamp, &error)) return true;
    fprintf(stderr, "%s: %s\n", name, error.text);
    return false;
}

bool migrate_all(const struct config *config) {
    struct postgres_stamp stamp = {.shard = -1};
    bool good = migrate("global", config->postgres.global, postgres_global_migrations) &&
                put_stamp("global", config->postgres.global, &stamp);
    for (size_t i = 0; i < config->postgres.shards.len; i++) {
        char name[32];
        snprintf(name, sizeof name, "shard %zu", i);
        const char *conninfo = config->postgres.shards.items[i].write;
        bool is_there = migrate(name, conninfo, postgres_shard_migrations);
        stamp.shard = (int)i;
        if (!is_there || (stamp.fleet[0] && !put_stamp(name, conninfo, &stamp))) good = false;
    }
    return good;
}
