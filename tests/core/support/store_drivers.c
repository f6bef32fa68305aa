/* SPDX-License-Identifier: Apache-2.0 */
#include "support/store_drivers.h"

#include <unistd.h>

#include "store/sqlite/store_sqlite.h"
#include "store/store_cached.h"
#include "support/postgres_servers.h"
#include "support/redis_stage.h"

static char folder[64], path[80]; /* of the current store, if it has a file */

static void remove_file(void) {
    if (!folder[0]) return;
    const char *const names[] = {"", "-wal", "-shm", ".incarnation"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s%s", path, names[i]);
        unlink(name);
    }
    assert_int_equal(rmdir(folder), 0);
    folder[0] = '\0';
}

static struct store *make_sqlite(struct loop *loop, struct error *error_r) {
    snprintf(folder, sizeof folder, "/dev/shm/stoa-contract-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/stoa.db", folder);
    return store_sqlite_new(loop, path, NULL, error_r);
}

static struct store *make_in_memory(struct loop *loop, struct error *error_r) {
    return store_sqlite_new(loop, ":memory:", NULL, error_r);
}

static struct store *make_postgres_with(struct loop *loop, bool through_bouncer, bool with_replica,
                                        struct error *error_r) {
    struct servers servers;
    assert_true(servers_find(&servers, through_bouncer, with_replica));
    servers_clear(&servers);
    return store_postgres_new(loop, &servers.settings, error_r);
}

static struct store *make_postgres(struct loop *loop, struct error *error_r) {
    return make_postgres_with(loop, false, false, error_r);
}

static struct store *make_bounced(struct loop *loop, struct error *error_r) {
    return make_postgres_with(loop, true, false, error_r);
}

static struct store *make_replicated(struct loop *loop, struct error *error_r) {
    return make_postgres_with(loop, false, true, error_r);
}

static struct redis *redis; /* of the current store, if it is cached */

static struct store *cached(struct loop *loop, struct store *store) {
    int port;
    char address[32];
    if (!store) return NULL;
    assert_int_equal(real_ports("ports", &port, 1), 1);
    free(redis_cli(port, "flushall"));
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    stage_loop = loop;
    redis = REDIS_TO(REDIS_STANDALONE, address);
    stage_until(redis_is_up(redis));
    return store_cached_new(loop, &store, redis, NULL, "a secret");
}

static struct store *make_cached_sqlite(struct loop *loop, struct error *error_r) {
    return cached(loop, make_sqlite(loop, error_r));
}

static struct store *make_cached_postgres(struct loop *loop, struct error *error_r) {
    return cached(loop, make_replicated(loop, error_r));
}

static bool has_postgres(void) {
    struct servers servers;
    return servers_find(&servers, false, false);
}

static bool has_redis(void) {
    return getenv("STOA_TEST_REDIS");
}

static bool has_none(void) {
    return !has_postgres() && !has_redis();
}

static bool has_bouncer(void) {
    return has_postgres() && servers_have_bouncer();
}

static bool has_replica(void) {
    return has_postgres() && servers_have_replica();
}

static bool has_replica_and_redis(void) {
    return has_replica() && has_redis();
}

const struct store_driver store_drivers[] = {
    {"sqlite", make_sqlite, has_none},
    {"sqlite in memory", make_in_memory, has_none},
    {"sqlite behind Redis", make_cached_sqlite, has_redis},
    {"postgres", make_postgres, has_postgres},
    {"postgres through PgBouncer", make_bounced, has_bouncer},
    {"postgres with a replica", make_replicated, has_replica},
    {"postgres with a replica behind Redis", make_cached_postgres, has_replica_and_redis},
    {NULL, NULL, NULL},
};

void store_drivers_done(void) {
    redis_free(&redis);
    remove_file();
}
