/* SPDX-License-Identifier: Apache-2.0 */
/* store_postgres.h - the store in PostgreSQL: a global database, and shards by channel id. For many processes. */
#ifndef STORE_POSTGRES_STORE_POSTGRES_H
#define STORE_POSTGRES_STORE_POSTGRES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct loop;
struct redis;
struct store;

/* When a write is acknowledged: flushed on the primary; flushed on a standby too; before any flush (synchronous_commit
 * = off). */
enum store_durability { STORE_PRIMARY, STORE_QUORUM, STORE_RELAXED };

/* What a channel is read for. ANY: a replica without a purpose serves purposes that have no replica of their own. */
enum store_purpose { STORE_FOR_ANY, STORE_FOR_HISTORY, STORE_FOR_SYNC, STORE_FOR_DISASTER_RECOVERY, STORE_PURPOSES };

struct store_postgres_replica {
    const char *conninfo;
    unsigned purposes; /* bits 1 << enum store_purpose, or 0 */
};
struct store_postgres_shard {
    const char *write; /* conninfo */
    const struct store_postgres_replica *read;
    size_t read_len;
};

struct store_postgres_settings {
    const char *global; /* conninfo */
    const struct store_postgres_shard *shards;
    size_t shards_len;
    enum store_durability durability;
    int gather_ms; /* how long appends wait for others of their shard; -1: depends on the load; 0: never */
    /* Connections of this worker: for each database, and in total. */
    unsigned write_max, read_max, min, reserve, budget;
    unsigned reserve_after_ms, connect_timeout_ms, query_timeout_ms, wait_ms;
    uint64_t idle_ms, lifetime_ms;
    struct redis *redis; /* where workers share epochs; must outlive the store; NULL: this worker is alone */
    const char *secret;  /* seals entries in Redis; NULL: none */
    const char *config;  /* the config file's name, for advice in errors */
};

/* Checks that libpq can parse the conninfo. Does not connect. */
bool store_postgres_check(const char *conninfo, struct error *error_r) MUST_CHECK;
/* Turns the loop until each database has answered or timed out. Refuses a database without this server's schema, or
 * with less durability than configured. The store serves while it waits for a database that is down. */
struct store *store_postgres_new(struct loop *loop, const struct store_postgres_settings *settings,
                                 struct error *error_r) MUST_CHECK;

#endif
