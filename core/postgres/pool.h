/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - connections to one database, and the queries that wait for them.
 *
 * A query waits in the order of its submission, for a bounded time. Connections are opened when queries wait (or to
 * have a minimum), replaced at an age with jitter, closed when idle for long. A server that says it is no primary any
 * more, or is going down, costs all connections to it: the target's hosts are asked anew.
 */
#ifndef POSTGRES_POOL_H
#define POSTGRES_POOL_H

#include "postgres/pool_plan.h"

struct loop;
struct pool;
struct query;
struct resolver;
struct target;

/* Shared by the pools of a worker. */
struct pool_budget {
    unsigned max, used;
};

/* A connection may lead to another server than the last one did: a query that says so is the first on each. Both are
 * called from the loop. */
struct pool_proof {
    /* Refused by every server but the right one. NULL: which one is right is not known, see pool_prove. */
    struct query *(*ask)(void *owner);
    /* It was refused, and not only late. The connection closes. */
    void (*failed)(void *owner, const struct query *query);
    void *owner;
};

struct pool_settings {
    struct pool_limits limits;
    struct pool_proof proof;                                /* {0}: all servers are right */
    unsigned connect_timeout_ms, query_timeout_ms, wait_ms; /* the latter two: of queries without a due_ms */
    unsigned queue_max;                                     /* queries that wait; beyond, UNSENT */
};

/* Takes the target; budget and resolver must outlive the pool. Begins to connect. */
struct pool *pool_new(struct loop *loop, struct resolver *resolver, struct target **target,
                      const struct pool_settings *settings, struct pool_budget *budget);
/* Takes the query; its done runs later, from the loop, then it is freed. */
void pool_submit(struct pool *pool, struct query **query);
/* How long no server has answered; 0: one does. Queries submitted meanwhile wait, unless this is longer than a query
 * may wait. */
uint64_t pool_down_ms(const struct pool *pool);
/* May a query occupy a connection while it waits for another's lock? False: it would be the last one. */
bool pool_can_spare(const struct pool *pool);
/* The right server is known now: the connections that wait for a proof are asked. */
void pool_prove(struct pool *pool);
/* Its connections may lead to the wrong server by now: new ones take their place; those that are busy end with their
 * queries. */
void pool_renew(struct pool *pool, const char *reason);
/* The server is the wrong one: pool_renew, and the target's next host is asked first. */
void pool_suspect(struct pool *pool, const char *reason);
/* Closes all connections. All queries, later ones included, come back from the loop, UNSENT or UNKNOWN. */
void pool_close(struct pool *pool);
/* Call it only after a turn of the loop that found nothing left to do. */
void pool_free(struct pool **pool);
const char *pool_name(const struct pool *pool);
struct pool_load pool_load(const struct pool *pool);

#endif
