#include "server/migrate.h"

#include <stdio.h>

#include "config/config.h"
#include "store/postgres_migrate.h"

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

bool migrate_all(const struct config *config) {
    bool good = migrate("global", config->postgres.global, postgres_global_migrations);
    for (size_t i = 0; i < config->postgres.shards.len; i++) {
        char name[32];
        snprintf(name, sizeof name, "shard %zu", i);
        if (!migrate(name, config->postgres.shards.items[i].write, postgres_shard_migrations)) good = false;
    }
    return good;
}
