/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/direct.h"

#include <string.h>

static void be_silent(void *owner, const char *message) {}

/* Sets the error to the message's first line. */
static void tell(const char *message, struct error *error_r) {
    error_set(error_r, "%.*s", (int)strcspn(message, "\n"), message);
}

PGconn *postgres_direct_open(const char *conninfo, struct error *error_r) {
    const char *keywords[] = {"dbname", "target_session_attrs", "connect_timeout", "client_encoding", NULL};
    const char *values[] = {conninfo, "read-write", "10", "UTF8", NULL};
    PGconn *connection = PQconnectdbParams(keywords, values, 1);
    PQsetNoticeProcessor(connection, be_silent, NULL);
    if (PQstatus(connection) == CONNECTION_OK) return connection;
    tell(PQerrorMessage(connection), error_r);
    PQfinish(connection);
    return NULL;
}

PGresult *postgres_direct_ask(PGconn *connection, const char *sql, int len, const char *const *texts,
                              struct error *error_r) {
    PGresult *result = PQexecParams(connection, sql, len, NULL, texts, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return result;
    tell(PQerrorMessage(connection), error_r);
    PQclear(result);
    return NULL;
}
