/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres/direct.h"

/* An arbitrary number that nobody else locks. */
#define LOCK "SELECT pg_advisory_xact_lock(7310868710218)"
#define TABLE                                                                                           \
    "CREATE TABLE IF NOT EXISTS stoa_schema (version int PRIMARY KEY, applied_at timestamptz NOT NULL " \
    "DEFAULT clock_timestamp())"

unsigned postgres_migrations_len(const char *const *migrations) {
    unsigned len = 0;
    while (migrations[len]) len++;
    return len;
}

static bool execute(PGconn *connection, const char *sql, struct error *error_r) {
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!good) error_set(error_r, "%.*s", (int)strcspn(PQerrorMessage(connection), "\n"), PQerrorMessage(connection));
    PQclear(result);
    return good;
}

static bool read_version(PGconn *connection, unsigned *version_r, struct error *error_r) {
    PGresult *result = PQexec(connection, "SELECT coalesce(max(version), 0) FROM stoa_schema");
    bool good = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (good)
        *version_r = (unsigned)strtoul(PQgetvalue(result, 0, 0), NULL, 10);
    else
        error_set(error_r, "%.*s", (int)strcspn(PQerrorMessage(connection), "\n"), PQerrorMessage(connection));
    PQclear(result);
    return good;
}

static bool run(PGconn *connection, const char *const *migrations, unsigned *from_r, unsigned *to_r,
                struct error *error_r) {
    if (!execute(connection, "BEGIN", error_r) || !execute(connection, LOCK, error_r) ||
        !execute(connection, TABLE, error_r) || !read_version(connection, from_r, error_r))
        return false;
    *to_r = postgres_migrations_len(migrations);
    for (unsigned version = *from_r; version < *to_r; version++) {
        char note[80];
        snprintf(note, sizeof note, "INSERT INTO stoa_schema (version) VALUES (%u)", version + 1);
        if (!execute(connection, migrations[version], error_r) || !execute(connection, note, error_r)) return false;
    }
    return execute(connection, "COMMIT", error_r);
}

bool postgres_migrate(const char *conninfo, const char *const *migrations, unsigned *from_r, unsigned *to_r,
                      struct error *error_r) {
    PGconn *connection = postgres_direct_open(conninfo, error_r);
    if (!connection) return false;
    bool good = run(connection, migrations, from_r, to_r, error_r);
    PQfinish(connection);
    return good;
}

/* ---- the stamp */

/* Returns the stamp found afterwards. */
static bool put_stamp(PGconn *connection, const struct postgres_stamp *stamp, struct postgres_stamp *there_r,
                      struct error *error_r) {
    char number[16];
    bool is_global = stamp->shard < 0;
    snprintf(number, sizeof number, "%d", is_global ? 0 : stamp->shard);
    const char *texts[] = {stamp->fleet, is_global ? "global" : "shard", number};
    PGresult *result = postgres_direct_ask(
        connection,
        "INSERT INTO stamp (fleet, role, number) VALUES (coalesce(nullif($1, ''), left(md5(gen_random_uuid()::text), "
        "12)), $2, $3::bigint) ON CONFLICT DO NOTHING",
        3, texts, error_r);
    PQclear(result);
    if (!result) return false;
    result = postgres_direct_ask(connection, "SELECT fleet, role, number FROM stamp", 0, NULL, error_r);
    if (!result) return false;
    snprintf(there_r->fleet, sizeof there_r->fleet, "%s", PQgetvalue(result, 0, 0));
    there_r->shard = strcmp(PQgetvalue(result, 0, 1), "global") == 0 ? -1 : atoi(PQgetvalue(result, 0, 2));
    PQclear(result);
    return true;
}

bool postgres_stamp(const char *conninfo, struct postgres_stamp *stamp, struct error *error_r) {
    struct postgres_stamp there;
    char name[POSTGRES_STAMP_NAME_MAX];
    PGconn *connection = postgres_direct_open(conninfo, error_r);
    if (!connection) return false;
    bool good = put_stamp(connection, stamp, &there, error_r);
    PQfinish(connection);
    if (!good) return false;
    if (there.shard != stamp->shard || (stamp->fleet[0] && strcmp(there.fleet, stamp->fleet) != 0)) {
        error_set(error_r, "this database is %s", postgres_stamp_name(&there, name));
        return false;
    }
    *stamp = there;
    return true;
}

const char *postgres_stamp_name(const struct postgres_stamp *stamp, char name[POSTGRES_STAMP_NAME_MAX]) {
    if (stamp->shard < 0)
        snprintf(name, POSTGRES_STAMP_NAME_MAX, "the global one of fleet %s", stamp->fleet);
    else
        snprintf(name, POSTGRES_STAMP_NAME_MAX, "shard %d of fleet %s", stamp->shard, stamp->fleet);
    return name;
}
