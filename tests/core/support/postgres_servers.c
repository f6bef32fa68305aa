/* SPDX-License-Identifier: Apache-2.0 */
#include "support/postgres_servers.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres/migrate.h"
#include "support/store_asking.h"

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

bool servers_have_bouncer(void) {
    return variable("STOA_PG_BOUNCER")[0];
}

bool servers_have_replica(void) {
    return variable("STOA_PG_REPLICAS")[0];
}

static void write_conninfo(char *out, const char *port, const char *database) {
    snprintf(out, 160, "host=127.0.0.1 port=%.*s dbname=%s user=postgres", (int)strcspn(port, " "), port, database);
}

bool servers_find(struct servers *servers, bool through_bouncer, bool with_replica) {
    const char *bouncer = variable("STOA_PG_BOUNCER"), *ports = variable("STOA_PG_SHARDS");
    memset(servers, 0, sizeof *servers);
    if (!ports[0]) return false;
    write_conninfo(servers->global, through_bouncer ? bouncer : variable("STOA_PG_GLOBAL"), "global");
    unsigned len = 0;
    for (const char *port = ports; *port && len < SERVER_SHARDS_MAX; len++) {
        char database[16];
        snprintf(database, sizeof database, "shard%u", len);
        write_conninfo(servers->write[len], through_bouncer ? bouncer : port, database);
        servers->shards[len].write = servers->write[len];
        port += strcspn(port, " ");
        port += strspn(port, " ");
    }
    if (with_replica) {
        write_conninfo(servers->read[0], variable("STOA_PG_REPLICAS"), "shard0");
        servers->reads[0].conninfo = servers->read[0];
        servers->shards[0].read = servers->reads;
        servers->shards[0].read_len = 1;
    }
    servers->settings = (struct store_postgres_settings){.global = servers->global,
                                                         .shards = servers->shards,
                                                         .shards_len = len,
                                                         .write_max = 5,
                                                         .read_max = 2,
                                                         .min = 1,
                                                         .reserve = 2,
                                                         .reserve_after_ms = 1000,
                                                         .budget = 40,
                                                         .connect_timeout_ms = 5000,
                                                         .query_timeout_ms = 5000,
                                                         .wait_ms = 2000,
                                                         .idle_ms = 600000,
                                                         .lifetime_ms = 3600000,
                                                         .config = "config/cluster.lua"};
    return true;
}

void servers_follow(struct servers *servers) {
    char ports[80];
    snprintf(ports, sizeof ports, "%.*s %s", (int)strcspn(variable("STOA_PG_SHARDS"), " "), variable("STOA_PG_SHARDS"),
             variable("STOA_PG_REPLICAS"));
    for (char *at = ports; *at; at++)
        if (*at == ' ') *at = ',';
    char hosts[80] = "127.0.0.1";
    for (const char *at = ports; (at = strchr(at, ',')); at++) strcat(hosts, ",127.0.0.1");
    snprintf(servers->write[0], sizeof servers->write[0], "host=%s port=%s dbname=shard0 user=postgres", hosts, ports);
}

const char *servers_standby(unsigned n) {
    static char conninfo[160];
    const char *port = variable("STOA_PG_REPLICAS");
    for (; n > 1; n--) port = strchr(port, ' ') + 1;
    write_conninfo(conninfo, port, "shard0");
    return conninfo;
}

const char *servers_sql(const char *conninfo, const char *sql) {
    static char value[256];
    PGconn *connection = PQconnectdb(conninfo);
    if (PQstatus(connection) != CONNECTION_OK) fail_msg("%s: %s", conninfo, PQerrorMessage(connection));
    PGresult *result = PQexec(connection, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail_msg("%s: %s", sql, PQerrorMessage(connection));
    snprintf(value, sizeof value, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(connection);
    return value;
}

static void migrate(const char *conninfo, const char *const *migrations) {
    struct error error;
    unsigned from, to;
    if (!postgres_migrate(conninfo, migrations, &from, &to, &error)) fail_msg("%s: %s", conninfo, error.text);
}

void servers_clear(const struct servers *servers) {
    migrate(servers->global, postgres_global_migrations);
    servers_sql(servers->global,
                "TRUNCATE users, channels, shard_buckets, channel_members, sessions, audit, epochs, floors, stamp");
    for (size_t i = 0; i < servers->settings.shards_len; i++) {
        migrate(servers->write[i], postgres_shard_migrations);
        servers_sql(servers->write[i],
                    "TRUNCATE channel_heads, events, messages, attachments, reactions, epochs, floors, stamp");
    }
}

void servers_act(const char *action, const char *name) {
    char command[400];
    snprintf(command, sizeof command, "timeout 60 python3 %s/tests/servers/postgres.py do %s %s %s >/dev/null",
             variable("STOA_SOURCE"), variable("STOA_PG_FOLDER"), action, name);
    if (system(command) != 0) fail_msg("failed: %s", command);
}
