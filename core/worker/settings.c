/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/settings.h"

#include <stdlib.h>

#include "base/address.h"
#include "base/fault.h"
#include "config/config.h"
#include "presence/presence_sync.h"
#include "process/listen.h"
#include "process/process_limits.h"
#include "process/worker_slots.h"
#include "store/postgres/store_postgres.h"
#include "store/sqlite/store_sqlite.h"
#include "wire/hosts.h"
#include "wire/origin.h"

static bool offers(const struct config *config, const char *transport) {
    for (size_t i = 0; i < config->transports.len; i++)
        if (strcmp(config->transports.items[i], transport) == 0) return true;
    return false;
}

static enum recovery_offer offer_of(const struct config *config) {
    const char *word = config->recovery.offer;
    return strcmp(word, "all") == 0 ? RECOVERY_ALL : strcmp(word, "none") == 0 ? RECOVERY_NONE : RECOVERY_ASKED;
}

struct hub_settings settings_of_hub(const struct config *config) {
    return (struct hub_settings){
        .path = config->path,
        .plain_path = config->plain_path,
        .websocket = offers(config, "websocket"),
        .polling = offers(config, "polling"),
        .origins = config->origins.items,
        .origins_len = config->origins.len,
        .origin_required = config->origin_required,
        .ping_interval_ms = (unsigned)config->ping_interval_ms,
        .ping_timeout_ms = (unsigned)config->ping_timeout_ms,
        .connect_timeout_ms = (unsigned)config->connect_timeout_ms,
        .upgrade_timeout_ms = (unsigned)config->upgrade_timeout_ms,
        .max_payload_bytes = (size_t)config->max_payload_bytes,
        .recovery.offer = offer_of(config),
        .recovery.window_ms = (uint64_t)config->recovery.window_s * 1000,
        .recovery.events = (unsigned)config->recovery.max_events,
        .recovery.bytes = (size_t)config->recovery.max_bytes,
        .outbox_bytes = (size_t)config->session.outbox_bytes,
        .slow_close_ms = (unsigned)config->session.slow_close_ms,
        .inbox_bytes = (size_t)config->session.inbox_bytes,
        .events = (unsigned)config->session.events.count,
        .events_period_ms = (uint64_t)config->session.events.period_s * 1000,
        .namespaces_max = (unsigned)config->session.namespaces,
        .rooms_max = (unsigned)config->session.rooms,
        .window = {.fixed_ms = (int)config->fanout.window_ms, .max_ms = (unsigned)config->fanout.window_max_ms},
    };
}

struct net_settings settings_of_net(const struct config *config) {
    return (struct net_settings){
        .max_message_bytes = (size_t)config->max_payload_bytes,
        .header_timeout_ms = (unsigned)config->net.header_timeout_ms,
        .body_timeout_ms = (unsigned)config->net.body_timeout_ms,
        .keepalive_ms = (unsigned)config->net.keepalive_ms,
        .head_bytes = (size_t)config->net.head_bytes,
        .tls_certificate = config->tls.certificate,
        .tls_key = config->tls.key,
        .tls_certificates = (const char *const *)config->tls.certificates.items,
        .tls_certificates_len = config->tls.certificates.len,
        .tls_client_ca = config->tls.client_ca,
        .hsts_s = (unsigned)config->tls.hsts_s,
        .tls_kernel = config->tls.kernel,
        .deflate = config->deflate,
        .trusted_proxies = config->net.trusted_proxies.items,
        .trusted_proxies_len = config->net.trusted_proxies.len,
        .proxy_protocol = config->net.proxy_protocol,
    };
}

struct net_settings settings_of_metrics_net(const struct config *config) {
    return (struct net_settings){
        .header_timeout_ms = (unsigned)config->net.header_timeout_ms,
        .body_timeout_ms = (unsigned)config->net.body_timeout_ms,
        .keepalive_ms = (unsigned)config->net.keepalive_ms,
        .head_bytes = (size_t)config->net.head_bytes,
    };
}

struct room_limits settings_of_rooms(const struct config *config) {
    return (struct room_limits){
        .window_ms = (uint64_t)config->recovery.window_s * 1000,
        .max_events = (unsigned)config->recovery.max_events,
        .max_bytes = (size_t)config->recovery.max_bytes,
    };
}

struct presence_settings settings_of_presence(const struct config *config) {
    return (struct presence_settings){
        .grace_ms = fault_planted("no_grace") ? 0 : (uint64_t)config->presence.grace_ms,
        .tick_ms = (uint64_t)config->presence.tick_ms,
        .settle_ms = config->redis.nodes.len > 0 ? PRESENCE_SYNC_SETTLE_MS : 0,
        .names_max = (unsigned)config->presence.names,
    };
}

unsigned settings_of_workers(const struct config *config, unsigned processors, unsigned worker_connections) {
    if (config->workers > 0) return (unsigned)config->workers;
    int64_t needed = (config->limits.connections + worker_connections - 1) / worker_connections;
    int64_t workers = needed > processors ? needed : processors;
    return workers < WORKER_SLOTS_MAX ? (unsigned)workers : WORKER_SLOTS_MAX;
}

unsigned settings_workers(const struct config *config) {
    return settings_of_workers(config, process_limits_processors(), process_limits_raise_descriptors());
}

enum { SPREAD_S = 5 };

static struct rate rate_of(const struct config_rate *rate) {
    return (struct rate){(unsigned)rate->count, (uint64_t)rate->period_s * 1000};
}

struct admission_settings settings_of_admission(const struct config *config) {
    return (struct admission_settings){
        .connections = (unsigned)config->limits.connections,
        .connections_per_address = (unsigned)config->limits.connections_per_address,
        .ipv6_bits = (unsigned)config->limits.ipv6_prefix,
        .exceptions = config->limits.address_exceptions.items,
        .exceptions_len = config->limits.address_exceptions.len,
        .rate = rate_of(&config->limits.accepts),
        .address_rate = rate_of(&config->limits.accepts_per_address),
        .spread_s = SPREAD_S,
    };
}

/* Redis. */

static enum redis_mode redis_mode_of(const char *word) {
    if (strcmp(word, "cluster") == 0) return REDIS_CLUSTER;
    return strcmp(word, "sentinel") == 0 ? REDIS_SENTINEL : REDIS_STANDALONE;
}

struct redis_settings settings_of_redis(const struct config *config) {
    const struct config_redis *redis = &config->redis;
    return (struct redis_settings){
        .mode = redis_mode_of(redis->mode),
        .nodes = redis->nodes.items,
        .nodes_len = redis->nodes.len,
        .master = redis->master,
        .user = redis->user,
        .password = redis->password,
        .pending_bytes = (size_t)redis->pending_bytes,
        .reply_bytes = (size_t)redis->reply_bytes,
        .deadline_ms = (unsigned)redis->command_timeout_ms,
        .connect_ms = (unsigned)redis->connect_timeout_ms,
    };
}

struct bus_settings settings_of_bus(const struct config *config) {
    return (struct bus_settings){
        .node = config->node.name,
        .secret = config->redis.secret,
        .sharded = redis_mode_of(config->redis.mode) == REDIS_CLUSTER,
    };
}

struct adapter_settings settings_of_adapter(const struct config *config) {
    const char *form = config->redis.socketio_adapter;
    bool is_both = strcmp(form, "both") == 0;
    return (struct adapter_settings){
        .is_classic = is_both || strcmp(form, "classic") == 0,
        .is_sharded = is_both || strcmp(form, "sharded") == 0,
    };
}

/* PostgreSQL. */

static enum store_durability durability_of(const char *word) {
    if (strcmp(word, "quorum") == 0) return STORE_QUORUM;
    return strcmp(word, "relaxed") == 0 ? STORE_RELAXED : STORE_PRIMARY;
}

/* The machine's total, divided among its workers and databases. */
static unsigned share(const struct config *config, int64_t number, size_t databases, unsigned least) {
    int64_t workers = settings_workers(config);
    int64_t each = databases ? number / workers / (int64_t)databases : 0;
    return each > least ? (unsigned)each : least;
}

static bool check_conninfos(const struct config *config, struct error *error_r) {
    struct error error;
    const struct config_postgres *postgres = &config->postgres;
    if (!store_postgres_check(postgres->global, &error)) {
        config_complain(config, "postgres.global", error_r, "%s", error.text);
        return false;
    }
    for (size_t i = 0; i < postgres->shards.len; i++) {
        const struct config_shard *shard = &postgres->shards.items[i];
        bool good = store_postgres_check(shard->write, &error);
        for (size_t j = 0; good && j < shard->read_len; j++)
            good = store_postgres_check(shard->read[j].conninfo, &error);
        if (good) continue;
        config_complain(config, "postgres.shards", error_r, "shard %zu: %s", i, error.text);
        return false;
    }
    return true;
}

static struct store_postgres_settings settings_of_postgres(const struct config *config,
                                                           const struct store_postgres_shard *shards) {
    const struct config_postgres *postgres = &config->postgres;
    size_t primaries = postgres->shards.len + 1, replicas = 0;
    for (size_t i = 0; i < postgres->shards.len; i++) replicas += postgres->shards.items[i].read_len;
    return (struct store_postgres_settings){
        .global = postgres->global,
        .shards = shards,
        .shards_len = postgres->shards.len,
        .durability = durability_of(postgres->durability),
        .gather_ms = (int)postgres->gather_ms,
        .write_max = share(config, postgres->pool.write, primaries, 2),
        .read_max = share(config, postgres->pool.read, replicas, 1),
        .min = share(config, postgres->pool.min, primaries, 1),
        .reserve = share(config, postgres->pool.reserve, primaries, 0),
        .budget = share(config, postgres->pool.budget, 1, (unsigned)(2 * primaries + replicas)),
        .reserve_after_ms = (unsigned)postgres->pool.reserve_after_ms,
        .connect_timeout_ms = (unsigned)postgres->pool.connect_timeout_ms,
        .query_timeout_ms = (unsigned)postgres->pool.query_timeout_ms,
        .wait_ms = (unsigned)postgres->pool.wait_ms,
        .idle_ms = (uint64_t)postgres->pool.idle_s * 1000,
        .lifetime_ms = (uint64_t)postgres->pool.lifetime_s * 1000,
        .config = config->file,
    };
}

static unsigned purposes_of(const struct config_texts *words) {
    static const char *const names[STORE_PURPOSES] = {
        [STORE_FOR_ANY] = "",
        [STORE_FOR_HISTORY] = "history",
        [STORE_FOR_SYNC] = "sync",
        [STORE_FOR_DISASTER_RECOVERY] = "disaster_recovery",
    };
    unsigned purposes = 0;
    for (size_t i = 0; i < words->len; i++)
        for (unsigned purpose = 0; purpose < STORE_PURPOSES; purpose++)
            if (strcmp(words->items[i], names[purpose]) == 0) purposes |= 1U << purpose;
    return purposes;
}

static struct store_postgres_shard shard_of(const struct config_shard *shard) {
    struct store_postgres_replica *read = NEW_ARRAY(struct store_postgres_replica, shard->read_len + 1);
    for (size_t i = 0; i < shard->read_len; i++)
        read[i] = (struct store_postgres_replica){shard->read[i].conninfo, purposes_of(&shard->read[i].purposes)};
    return (struct store_postgres_shard){shard->write, read, shard->read_len};
}

bool settings_share_store(const struct config *config) {
    return strcmp(config->store.driver, "postgres") == 0;
}

static struct store *open_sqlite(const struct config *config, struct loop *loop, const struct store_progress *progress,
                                 struct error *error_r) {
    struct error error;
    struct store *store = store_sqlite_has_place(config->store.path, &error)
                              ? store_sqlite_new(loop, config->store.path, progress, &error)
                              : NULL;
    if (!store) config_complain(config, "store.path", error_r, "%s", error.text);
    return store;
}

struct store *settings_open_store(const struct config *config, struct loop *loop, struct redis *redis,
                                  const struct store_progress *progress, struct error *error_r) {
    if (!settings_share_store(config)) return open_sqlite(config, loop, progress, error_r);
    size_t len = config->postgres.shards.len;
    struct store_postgres_shard *shards = NEW_ARRAY(struct store_postgres_shard, len);
    for (size_t i = 0; i < len; i++) shards[i] = shard_of(&config->postgres.shards.items[i]);
    struct store_postgres_settings settings = settings_of_postgres(config, shards);
    settings.redis = redis;
    settings.secret = config->redis.secret;
    struct store *store = store_postgres_new(loop, &settings, error_r);
    for (size_t i = 0; i < len; i++) free((void *)(uintptr_t)shards[i].read);
    free(shards);
    return store;
}

/* All. */

static bool check_networks(const struct config_texts *texts, struct error *error_r) {
    struct networks networks;
    const char *wrong = networks_parse(texts->items, texts->len, &networks);
    if (wrong) return error_set(error_r, "\"%s\" is no address and no network", wrong), false;
    networks_done(&networks);
    return true;
}

/* Without a list anybody could claim any address. */
static bool check_proxies(const struct config *config, struct error *error_r) {
    bool named = !config->net.proxy_protocol || config->net.trusted_proxies.len > 0;
    if (!named) error_set(error_r, "must name the proxies, for net.proxy_protocol is set");
    return named && check_networks(&config->net.trusted_proxies, error_r);
}

/* Checks for origins and hosts that no client ever sends. */
static bool check_names(const struct config_texts *names, bool (*can_match)(const char *name, struct error *error_r),
                        struct error *error_r) {
    for (size_t i = 0; i < names->len; i++)
        if (!can_match(names->items[i], error_r)) return false;
    return true;
}

bool settings_check(const struct config *config, struct error *error_r) {
    struct net_settings net = settings_of_net(config);
    struct error error;
    if (!listen_check(config->listen.items, config->listen.len, &error))
        config_complain(config, "listen", error_r, "%s", error.text);
    else if (config->metrics.listen.len > 0 &&
             !listen_check(config->metrics.listen.items, config->metrics.listen.len, &error))
        config_complain(config, "metrics.listen", error_r, "%s", error.text);
    else if (!check_names(&config->origins, origin_can_match, &error))
        config_complain(config, "origins", error_r, "%s", error.text);
    else if (!check_names(&config->hosts, host_can_match, &error))
        config_complain(config, "hosts", error_r, "%s", error.text);
    else if (!check_proxies(config, &error))
        config_complain(config, "net.trusted_proxies", error_r, "%s", error.text);
    else if (!check_networks(&config->limits.address_exceptions, &error))
        config_complain(config, "limits.address_exceptions", error_r, "%s", error.text);
    else if (!net_settings_check(&net, &error))
        config_complain(config, "tls.certificate", error_r, "%s", error.text);
    else
        return !config->postgres.global ||
               check_conninfos(config, error_r); /* also when SQLite is used: `stoa check` */
    return false;
}
