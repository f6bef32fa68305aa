/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres/query.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

struct query *query_new(void (*done)(struct query *query), void *owner) {
    struct query *query = NEW(struct query);
    list_init(&query->link);
    query->done = done;
    query->owner = owner;
    query->outcome = QUERY_UNSENT;
    return query;
}

struct parameters *query_add(struct query *query, const char *sql) {
    assert(query->statements_len < QUERY_STATEMENTS_MAX);
    struct statement *statement = &query->statements[query->statements_len++];
    statement->sql = sql;
    return &statement->parameters;
}

struct query *query_take(struct query *query) {
    struct query *taken = query_new(NULL, NULL);
    taken->outcome = query->outcome;
    memcpy(taken->sqlstate, query->sqlstate, sizeof taken->sqlstate);
    for (unsigned i = 0; i < query->statements_len; i++) {
        query_add(taken, query->statements[i].sql);
        taken->statements[i].result = query->statements[i].result;
        query->statements[i].result = NULL;
    }
    return taken;
}

void query_free(struct query **owned) {
    struct query *query = *owned;
    if (!query) return;
    for (unsigned i = 0; i < query->statements_len; i++) {
        parameters_done(&query->statements[i].parameters);
        PQclear(query->statements[i].result);
    }
    free(query);
    *owned = NULL;
}

unsigned query_rows(const struct query *query, unsigned statement) {
    return (unsigned)PQntuples(query->statements[statement].result);
}

struct slice query_text(const struct query *query, unsigned statement, unsigned row, unsigned column) {
    const PGresult *result = query->statements[statement].result;
    return (struct slice){PQgetvalue(result, (int)row, (int)column),
                          (size_t)PQgetlength(result, (int)row, (int)column)};
}

int64_t query_integer(const struct query *query, unsigned statement, unsigned row, unsigned column) {
    const char *text = PQgetvalue(query->statements[statement].result, (int)row, (int)column);
    return text ? strtoll(text, NULL, 10) : 0;
}

int64_t query_changed(const struct query *query, unsigned statement) {
    return strtoll(PQcmdTuples(query->statements[statement].result), NULL, 10);
}

bool query_is(const struct query *query, const char *sqlstate) {
    return strcmp(query->sqlstate, sqlstate) == 0;
}

static bool is_of_class(const char *sqlstate, const char *class) {
    return strncmp(sqlstate, class, 2) == 0;
}

bool sqlstate_dooms(const char *sqlstate) {
    /* 25006: a primary that became a standby. 57P0x: shutting down, crashed, not yet up. 53300: no place for us. */
    return is_of_class(sqlstate, "08") || strcmp(sqlstate, "25006") == 0 || strncmp(sqlstate, "57P0", 4) == 0 ||
           strcmp(sqlstate, "53300") == 0;
}

bool sqlstate_is_transient(const char *sqlstate) {
    return strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0 || strcmp(sqlstate, "55P03") == 0;
}

bool sqlstate_is_of_data(const char *sqlstate) {
    return is_of_class(sqlstate, "22") || is_of_class(sqlstate, "23") || is_of_class(sqlstate, "54");
}
