#include "store/postgres_migrate.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any number that no one else locks. */
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

static void be_silent(void *owner, const char *message) {}

bool postgres_migrate(const char *conninfo, const char *const *migrations, unsigned *from_r, unsigned *to_r,
                      struct error *error_r) {
    const char *keywords[] = {"dbname", "target_session_attrs", "connect_timeout", "client_encoding", NULL};
    const char *values[] = {conninfo, "read-write", "10", "UTF8", NULL};
    PGconn *connection = PQconnectdbParams(keywords, values, 1);
    PQsetNoticeProcessor(connection, be_silent, NULL);
    bool good = PQstatus(connection) == CONNECTION_OK;
    if (good)
        good = run(connection, migrations, from_r, to_r, error_r);
    else
        error_set(error_r, "%.*s", (int)strcspn(PQerrorMessage(connection), "\n"), PQerrorMessage(connection));
    PQfinish(connection);
    return good;
}
