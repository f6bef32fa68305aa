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

/* What an acknowledgement means: flushed on the primary; on a standby too; not even that (synchronous_commit = off). */
enum store_durability { STORE_PRIMARY, STORE_QUORUM, STORE_RELAXED };

/* What a channel is read for. ANY: a replica that was given no purpose serves what has none of its own. */
enum store_purpose { STORE_FOR_ANY, STORE_FOR_HISTORY, STORE_FOR_SYNC, STORE_FOR_DISASTER_RECOVERY, STORE_PURPOSES };

struct store_postgres_replica {
    const char *conninfo;
    unsigned purposes; /* 1 << enum store_purpose, or 0 */
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
    int gather_ms; /* appends wait so long for others of their shard; -1: as the load asks for; 0: never */
    /* Connections of this worker: a database's, and of all. */
    unsigned write_max, read_max, min, reserve, budget;
    unsigned reserve_after_ms, connect_timeout_ms, query_timeout_ms, wait_ms;
    uint64_t idle_ms, lifetime_ms;
    struct redis *redis; /* where workers tell each other of epochs; outlives the store; NULL: this worker is alone */
    const char *secret;  /* of what is in Redis; NULL: none */
    const char *config;  /* the file, for advice */
};

/* A conninfo that libpq cannot read is refused. Nothing is connected to. */
bool store_postgres_check(const char *conninfo, struct error *error_r) MUST_CHECK;
/* Turns the loop until each database has answered or has had its time: a database without this server's schema, or
 * with less durability than asked for, is refused; one that is away is waited for while serving. */
struct store *store_postgres_new(struct loop *loop, const struct store_postgres_settings *settings,
                                 struct error *error_r) MUST_CHECK;

#endif
