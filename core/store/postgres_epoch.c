#include "store/postgres_epoch.h"

#include <stdio.h>

#include "store/postgres_direct.h"

bool postgres_begin_epoch(const char *conninfo, char epoch_r[STORE_EPOCH_MAX], struct error *error_r) {
    static const char sql[] =
        "INSERT INTO epochs (number, incarnation, timeline, system_id) SELECT coalesce(max(number), 0) + 1, "
        "left(md5(gen_random_uuid()::text), 8), stoa_timeline(), (SELECT system_identifier::text FROM "
        "pg_control_system()) FROM epochs RETURNING number || '-' || incarnation";
    PGconn *connection = postgres_direct_open(conninfo, error_r);
    if (!connection) return false;
    PGresult *result = postgres_direct_ask(connection, sql, 0, NULL, error_r);
    if (result) snprintf(epoch_r, STORE_EPOCH_MAX, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(connection);
    return result != NULL;
}
