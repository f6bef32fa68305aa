/* SPDX-License-Identifier: Apache-2.0 */
/* postgres_servers.h - the servers that tests/servers/postgres.py started for this test. */
#ifndef TESTS_POSTGRES_SERVERS_H
#define TESTS_POSTGRES_SERVERS_H

#include <stdbool.h>

#include "store/postgres/store_postgres.h"

enum { SERVER_SHARDS_MAX = 8 };

/* A store's settings, and the conninfos in them. */
struct servers {
    struct store_postgres_settings settings;
    struct store_postgres_shard shards[SERVER_SHARDS_MAX];
    char global[160], write[SERVER_SHARDS_MAX][160], read[SERVER_SHARDS_MAX][160];
    struct store_postgres_replica reads[SERVER_SHARDS_MAX];
};

/* False: none were started (the environment names none). Options: connect through the bouncer; use the first standby
 * for shard0's reads. */
bool servers_find(struct servers *servers, bool through_bouncer, bool with_replica);
bool servers_have_bouncer(void);
bool servers_have_replica(void);
/* shard0 may be on any of its servers: the conninfo lists them all. */
void servers_follow(struct servers *servers);
/* The conninfo of shard0 on its n-th standby, from 1. */
const char *servers_standby(unsigned n);
/* Tables as after `stoa migrate`, empty. Fails the test otherwise. */
void servers_clear(const struct servers *servers);
/* Runs one or several statements; returns the first column of the last one's first row, or "". */
const char *servers_sql(const char *conninfo, const char *sql);
/* Runs postgres.py do FOLDER ACTION NAME. */
void servers_act(const char *action, const char *name);

#endif
