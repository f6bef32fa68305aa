/* SPDX-License-Identifier: Apache-2.0 */
/* query.h - what is asked of a database: one statement, or several that are one transaction, and what came of it.
 *
 * One query, one completion. Nothing depends on the session: no names, no SET, no temporary tables, no LISTEN; so it
 * works the same through PgBouncer in transaction mode.
 */
#ifndef POSTGRES_QUERY_H
#define POSTGRES_QUERY_H

#include <stdint.h>

#include "base/list.h"
#include "postgres/parameters.h"

struct pg_result;

enum query_outcome {
    QUERY_OK,
    QUERY_REFUSED, /* by the server, see sqlstate: nothing was changed */
    QUERY_UNSENT,  /* no connection in time, or the queue is full: nothing was changed */
    QUERY_UNKNOWN  /* the connection broke, or its commit was not replicated: it may have taken effect */
};

enum { QUERY_STATEMENTS_MAX = 4, SQLSTATE_LEN = 5 };

struct query {
    struct list link;
    unsigned statements_len;
    struct statement {
        const char *sql; /* must live until done, as a literal does */
        struct parameters parameters;
        struct pg_result *result; /* libpq's, in text format; NULL: it was not run */
    } statements[QUERY_STATEMENTS_MAX];
    /* It may wait for a standby, and a commit that is cancelled then looks like one that was replicated: it is not
     * cancelled, its connection waits with it. */
    bool waits_for_commit;
    bool needs_no_proof;           /* it asks who the server is: before all others, on any connection */
    uint64_t submitted_ms, due_ms; /* of the loop's clock; due_ms: the pool's, if 0 */
    enum query_outcome outcome;
    char sqlstate[SQLSTATE_LEN + 1];
    char message[160];
    void (*done)(struct query *query);
    void *owner;
};

struct query *query_new(void (*done)(struct query *query), void *owner);
/* The statement's parameters, to be filled. sql has $1, $2, …; what it returns must fit into memory. */
struct parameters *query_add(struct query *query, const char *sql);
/* For done, which may not keep the query itself: another one, with its outcome and what it was answered. The caller
 * frees. */
struct query *query_take(struct query *query);
void query_free(struct query **query);

/* Of the answer to a statement, when the outcome is OK. */
unsigned query_rows(const struct query *query, unsigned statement);
/* Lives as long as the query; empty: NULL. Where there is no such row or column: empty, and 0. */
struct slice query_text(const struct query *query, unsigned statement, unsigned row, unsigned column);
int64_t query_integer(const struct query *query, unsigned statement, unsigned row, unsigned column);
/* The number of rows that an INSERT, UPDATE or DELETE changed. */
int64_t query_changed(const struct query *query, unsigned statement);
bool query_is(const struct query *query, const char *sqlstate);
#define QUERY_CANCELLED "57014" /* also the SQLSTATE of overdue queries */

/* What a SQLSTATE means. */
/* The server is going, or is not the one to ask: the connection is of no use any more. */
bool sqlstate_dooms(const char *sqlstate);
/* The statement met another one: nothing was changed, and the same again may succeed. */
bool sqlstate_is_transient(const char *sqlstate);
/* The statement's own fault (22xxx and 23xxx, or a limit of the server's, 54xxx): the same again fails again. */
bool sqlstate_is_of_data(const char *sqlstate);

#endif
