/* SPDX-License-Identifier: Apache-2.0 */
#include "store/postgres/epoch.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/postgres/direct.h"

enum { TEXT_MAX = 48 };

/* The first column of the only row. */
static bool ask(const char *conninfo, const char *sql, const char *text, char answer_r[TEXT_MAX],
                struct error *error_r) {
    PGconn *connection = postgres_direct_open(conninfo, error_r);
    if (!connection) return false;
    PGresult *result = postgres_direct_ask(connection, sql, 1, &text, error_r);
    if (result) snprintf(answer_r, TEXT_MAX, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(connection);
    return result != NULL;
}

/* What another database has recorded about that one. */
static bool ask_witness(const char *conninfo, const char *name, long long *floor, struct error *error_r) {
    char number[TEXT_MAX];
    if (!ask(conninfo, "SELECT coalesce(max(number), 0) FROM floors WHERE name = $1", name, number, error_r))
        return false;
    long long known = strtoll(number, NULL, 10);
    if (known > *floor) *floor = known;
    return true;
}

static bool find_floor(const struct postgres_databases *databases, int shard, long long *floor, struct error *error_r) {
    char name[TEXT_MAX];
    bool found = false;
    snprintf(name, sizeof name, "%d", shard);
    if (shard >= 0) return ask_witness(databases->global, name, floor, error_r);
    for (unsigned i = 0; i < databases->shards_len; i++)
        if (ask_witness(databases->shards[i], "global", floor, error_r)) found = true;
    return found;
}

bool postgres_begin_epoch(const struct postgres_databases *databases, int shard, char epoch_r[STORE_EPOCH_MAX],
                          struct error *error_r) {
    const char *conninfo = shard < 0 ? databases->global : databases->shards[shard];
    long long floor = 0;
    char text[TEXT_MAX], epoch[TEXT_MAX];
    if (!find_floor(databases, shard, &floor, error_r)) return false;
    snprintf(text, sizeof text, "%lld", floor);
    if (!ask(conninfo, "SELECT stoa_begin_epoch($1::bigint)", text, epoch, error_r)) return false;
    snprintf(epoch_r, STORE_EPOCH_MAX, "%.*s", STORE_EPOCH_MAX - 1, epoch);
    return true;
}
