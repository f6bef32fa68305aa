/* SPDX-License-Identifier: Apache-2.0 */
#include "config/keys.h"

#include <stddef.h>

/* A key's field in struct config bears its name. */
#define FIELD(name) offsetof(struct config, name)
#define FLAG(name, fallback, when, doc) \
    { #name, KEY_FLAG, fallback, 0, 0, NULL, when, false, FIELD(name), doc }
#define INTEGER(name, fallback, min, max, when, doc) \
    { #name, KEY_INTEGER, fallback, min, max, NULL, when, false, FIELD(name), doc }
#define LIMIT(name, fallback, doc) \
    { #name, KEY_LIMIT, fallback, 1, 100000000, NULL, LIVE, false, FIELD(name), doc }
#define RATE(name, fallback, doc) \
    { #name, KEY_RATE, fallback, 0, 0, NULL, LIVE, false, FIELD(name), doc }
#define TEXT(name, fallback, when, doc) \
    { #name, KEY_TEXT, fallback, 0, 0, NULL, when, false, FIELD(name), doc }
#define WORD(name, fallback, words, when, doc) \
    { #name, KEY_TEXT, fallback, 0, 0, words, when, false, FIELD(name), doc }
#define SECRET(name, when, doc) \
    { #name, KEY_TEXT, NULL, 0, 0, NULL, when, true, FIELD(name), doc }
#define PATH(name, fallback, when, doc) \
    { #name, KEY_PATH, fallback, 0, 0, NULL, when, false, FIELD(name), doc }
#define OPEN(name, doc) \
    { #name, KEY_OPEN, NULL, 0, 0, NULL, LIVE, false, 0, doc }
#define ABSENT(name, doc) \
    { #name, KEY_ABSENT, NULL, 0, 0, NULL, RESTART, false, 0, doc }

#define LIVE CONFIG_LIVE
#define UPCOMING CONFIG_NEW_CONNECTIONS
#define RESTART CONFIG_RESTART
enum { HOUR_MS = 3600000, MIB = 1048576 };

const struct key keys[] = {
    {"listen", KEY_SEVERAL, "127.0.0.1:3000", 0, 0, NULL, RESTART, false, FIELD(listen),
     "Where clients connect, one or several addresses: `127.0.0.1:3000`; `[::1]:3000` (IPv6 only); "
     "`localhost:3000`, every address of the name; `:3000`, all addresses of both families; port 0 "
     "picks a free port; `unix:/run/stoa/http.sock,mode=0660,owner=www-data:www-data`, mode and owner "
     "are optional."},
    {"workers", KEY_INTEGER, "1", 1, 256, "auto", RESTART, false, FIELD(workers),
     "Worker processes; `\"auto\"`: one per CPU, or more if one worker has too few descriptors for "
     "`limits.connections`. More than one needs `redis.nodes`."},
    INTEGER(start_timeout_s, "300", 1, 86400, LIVE,
            "A starting worker is killed after this time without a report that it serves or makes progress "
            "(with the migration of a large store)."),
    TEXT(user, NULL, RESTART,
         "When started as root, switch to this user after the port is bound and before any other file is "
         "opened."),
    PATH(control, "stoa.sock", RESTART, "Unix socket of `stoa reload` and `stoa status`; `\"\"`: none."),
    WORD(log_level, "info", "debug info warning error", LIVE, "The lowest level that is logged."),
    PATH(log_file, NULL, RESTART, "Log to this file instead of stderr; SIGUSR1 reopens it."),

    TEXT(path, "/socket.io/", UPCOMING, "Where Socket.IO clients connect."),
    TEXT(plain_path, "/ws", UPCOMING, "Where clients without Socket.IO connect: JSON over WebSocket."),
    {"transports", KEY_TEXTS, "websocket polling", 0, 0, "websocket polling", UPCOMING, false, FIELD(transports),
     "What clients may use."},
    {"origins", KEY_TEXTS, "self", 0, 0, NULL, UPCOMING, false, FIELD(origins),
     "Web pages that may connect: exact origins, `\"self\"` (the origin that equals the Host header), "
     "or `\"*\"`."},
    {"hosts", KEY_TEXTS, "", 0, 0, NULL, LIVE, false, FIELD(hosts),
     "The server's names in the Host header, without port; other names get 421. Addresses, names "
     "without a dot, `localhost`, and the names in `listen` and `origins` need not be listed. Empty: "
     "only these in development mode, else any name."},
    FLAG(origin_required, "false", UPCOMING,
         "Refuse clients that send no Origin with 403. Needed if scripts identify users by a cookie."),
    FLAG(deflate, "true", UPCOMING, "Offer permessage-deflate; each message is compressed once for all its receivers."),
    INTEGER(ping_interval_ms, "25000", 10, HOUR_MS, UPCOMING, "Time between two pings to a client."),
    INTEGER(ping_timeout_ms, "20000", 10, HOUR_MS, UPCOMING,
            "A client that does not answer a ping within this time is disconnected; within twice this time if "
            "it sends anything else."),
    INTEGER(connect_timeout_ms, "45000", 10, HOUR_MS, UPCOMING, "A client must join a namespace within this time."),
    INTEGER(upgrade_timeout_ms, "10000", 10, HOUR_MS, UPCOMING,
            "An upgrade from polling must be complete within this time."),
    INTEGER(max_payload_bytes, "1000000", 256, 64 * MIB, UPCOMING,
            "The largest message or request body from a client."),
    PATH(static_folder, NULL, LIVE, "Files served at `/`, such as the chat page."),

    {"scripts", KEY_PATHS, "", 0, 0, NULL, LIVE, false, FIELD(scripts), "The policies, loaded in this order."},
    WORD(auth.mode, NULL, "development jwt session", LIVE,
         "How clients prove their identity: `\"jwt\"`, with a token signed by an identity provider; "
         "`\"session\"`, with a token made by `POST /api/sessions`; `\"development\"` trusts clients. "
         "scripts/auth.lua needs it."),
    WORD(auth.algorithm, NULL, "HS256 RS256 ES256 EdDSA", LIVE,
         "The signature algorithm of tokens (`jwt`). Default: `HS256` with `auth.secret`, else `RS256`."),
    SECRET(auth.secret, LIVE, "The key of HS256, 32 bytes or more."),
    TEXT(auth.public_key, NULL, LIVE, "The public key, as PEM."),
    PATH(auth.public_key_file, NULL, LIVE, "A file with the public key, as PEM."),
    PATH(auth.jwks_file, NULL, LIVE, "A file with public keys as a JWK Set."),
    TEXT(auth.jwks_url, NULL, LIVE,
         "URL of an identity provider's public keys (a JWK Set): https, or http on this machine. Each "
         "worker fetches them, and fetches again when a token names an unknown key."),
    PATH(auth.jwks_ca, NULL, LIVE,
         "PEM file with the trusted CA certificates for `auth.jwks_url`; default: the system's."),
    INTEGER(auth.jwks_refresh_s, "600", 1, 86400, LIVE,
            "The keys are fetched again after this time plus up to half of it."),
    INTEGER(auth.jwks_pause_s, "10", 1, 3600, LIVE,
            "Minimum time, plus up to half of it, between two fetches because of unknown keys or after a "
            "failure."),
    INTEGER(auth.jwks_max_age_s, "86400", 2, 2592000, LIVE,
            "While the provider is unreachable, keys are used up to this age; then no client is accepted."),
    TEXT(auth.kid, NULL, LIVE, "The name of the secret or public key: a token that names a key must name this one."),
    TEXT(auth.user_claim, "sub", LIVE,
         "The claim that is the user's id: a text of 1 to 255 bytes, or a whole number. `a.b` is `b` within `a`."),
    {"auth.claims", KEY_TEXTS, "", 0, 0, NULL, LIVE, false, FIELD(auth.claims),
     "Claims that scripts see as `socket.user.claims[NAME]`, for example `{ \"realm_access.roles\" }`."},
    TEXT(auth.issuer, NULL, LIVE, "What a token's `iss` must be."),
    TEXT(auth.audience, NULL, LIVE, "What a token's `aud` must be or contain."),
    INTEGER(auth.leeway_s, "30", 0, 600, LIVE, "How much the clock of the token issuer may differ from this server's."),
    {"api_keys", KEY_TEXTS, "", 0, 0, NULL, LIVE, true, FIELD(api_keys), "Bearer keys of the REST interface."},
    OPEN(app, "Free for your own scripts: `stoa.config.app`."),

    WORD(store.driver, "sqlite", "sqlite postgres", RESTART, "Where channels, messages and users are kept."),
    PATH(store.path, "stoa.db", RESTART, "The database file of SQLite."),
    SECRET(postgres.global, RESTART, "Conninfo of the database of users, channels and members."),
    {"postgres.shards", KEY_SHARDS, "", 0, 0, NULL, RESTART, true, FIELD(postgres.shards),
     "Conninfos of the databases of messages: `{ { write = \"…\", read = { \"…\" } }, … }`; read: "
     "replicas, each a conninfo or `{ conninfo = \"…\", purposes = { … } }`: `history` (pages of "
     "messages, and single ones), `sync` (events that a client missed), `disaster_recovery` (not read); "
     "without purposes, any read."},
    WORD(postgres.durability, "primary", "primary quorum relaxed", RESTART,
         "What an acknowledgement means: flushed on the primary, also flushed on a standby, or not flushed "
         "yet."),
    {"postgres.gather_ms", KEY_INTEGER, "auto", 0, 1000, "auto", RESTART, false, FIELD(postgres.gather_ms),
     "How long appends wait for others of their shard, to share one commit; `\"auto\"`: depends on the "
     "load, 25 at most, and a single append does not wait; 0: never."},
    INTEGER(postgres.pool.write, "50", 1, 10000, RESTART, "Connections to primaries, of all workers and databases."),
    INTEGER(postgres.pool.read, "100", 1, 10000, RESTART, "Connections to replicas, of all workers and databases."),
    INTEGER(postgres.pool.min, "10", 0, 10000, RESTART, "Of these, connections to primaries that are kept open."),
    INTEGER(postgres.pool.reserve, "25", 0, 10000, RESTART, "More connections to primaries, for when queries wait."),
    INTEGER(postgres.pool.reserve_after_ms, "5000", 1, HOUR_MS, RESTART,
            "How long a query must have waited before the reserve is used."),
    INTEGER(postgres.pool.budget, "150", 2, 20000, RESTART, "Connections of any kind, of all workers."),
    INTEGER(postgres.pool.idle_s, "600", 1, 86400, RESTART, "An idle connection beyond the minimum is closed."),
    INTEGER(postgres.pool.lifetime_s, "3600", 1, 86400, RESTART, "A connection is replaced at this age, give or take."),
    INTEGER(postgres.pool.connect_timeout_ms, "5000", 10, 60000, RESTART, "Timeout for connecting to one address."),
    INTEGER(postgres.pool.query_timeout_ms, "5000", 100, HOUR_MS, RESTART, "A query is cancelled after this time."),
    INTEGER(postgres.pool.wait_ms, "2000", 10, HOUR_MS, RESTART, "How long a query waits for a connection."),
    WORD(redis.mode, "standalone", "standalone sentinel cluster", RESTART,
         "What `redis.nodes` lists: the server, its Sentinels, or some nodes of a Cluster."),
    {"redis.nodes", KEY_TEXTS, "", 0, 0, NULL, RESTART, false, FIELD(redis.nodes),
     "Addresses of Redis, `\"host:port\"` each; empty: no Redis, a single node."},
    TEXT(redis.master, "mymaster", RESTART, "What Sentinels call the primary."),
    TEXT(redis.user, NULL, RESTART, "The ACL user."),
    SECRET(redis.password, RESTART, "The password of `redis.user`, or of the default user."),
    SECRET(redis.secret, RESTART,
           "Key of the HMAC of messages between workers; messages without a valid HMAC are dropped. The same "
           "on all nodes."),
    {"redis.socketio_adapter", KEY_TEXT, "false", 0, 0, "classic sharded both", RESTART, false,
     FIELD(redis.socketio_adapter),
     "Share rooms with Node.js Socket.IO servers on this Redis, in the format of their adapter."},
    INTEGER(redis.pending_bytes, "16777216", 65536, 1024 * MIB, RESTART,
            "Limit for a worker's queued and unanswered commands; beyond, commands are refused at once."),
    INTEGER(redis.reply_bytes, "67108864", 65536, 1024 * MIB, RESTART, "A larger reply ends the connection."),
    INTEGER(redis.command_timeout_ms, "1000", 10, 60000, RESTART, "A command fails after this time."),
    INTEGER(redis.connect_timeout_ms, "2000", 10, 60000, RESTART,
            "Timeout for connecting, including name look-up and AUTH."),
    ABSENT(redis.tls, "TLS to Redis (docs/redis.md has a way with stunnel)"),
    TEXT(node.name, NULL, RESTART, "This node's name for other nodes; default: the host name."),
    TEXT(node.region, NULL, RESTART, "The region of this node."),
    PATH(tls.certificate, NULL, UPCOMING, "PEM file with the certificate and its chain; a reload reads it again."),
    PATH(tls.key, NULL, UPCOMING, "PEM file with the private key."),
    {"tls.certificates", KEY_PATHS, "", 0, 0, NULL, UPCOMING, false, FIELD(tls.certificates),
     "More certificates: PEM files, each with the certificate, its chain and its key. A client that "
     "asks for a name (SNI) gets the first certificate for that name."},
    PATH(tls.client_ca, NULL, UPCOMING,
         "PEM file with CA certificates: clients are asked for a certificate that one of these has signed. "
         "Clients without a certificate are served, too; clients with any other certificate are not."),
    INTEGER(tls.hsts_s, "0", 0, 63072000, UPCOMING,
            "How long browsers must use only TLS for this server (Strict-Transport-Security); 0: not sent. "
            "Browsers remember it; it cannot be revoked."),
    FLAG(tls.kernel, "false", UPCOMING, "Use kernel TLS (kTLS) where it is available."),

    INTEGER(recovery.window_s, "120", 0, 86400, UPCOMING,
            "A client that reconnects within this time misses nothing; 0: off."),
    INTEGER(recovery.max_events, "1000", 1, 100000, UPCOMING, "Packets kept per room for recovery."),
    INTEGER(recovery.max_bytes, "1048576", 1024, 256 * MIB, UPCOMING, "Bytes kept per room for recovery."),
    WORD(recovery.offer, "asked", "asked all none", UPCOMING,
         "Who gets recovery: `asked`, clients that request it with the query `recovery=1` or "
         "`auth.recovery`; `all`; `none`. Their events have one more argument, a text."),
    {"fanout.window_ms", KEY_INTEGER, "auto", 0, 1000, "auto", LIVE, false, FIELD(fanout.window_ms),
     "How long broadcasts wait for others to the same clients, to share one write; `\"auto\"`: depends "
     "on the load; 0: never."},
    INTEGER(fanout.window_max_ms, "15", 1, 1000, LIVE, "The longest wait that `\"auto\"` chooses."),
    INTEGER(session.outbox_bytes, "1048576", 16384, 256 * MIB, UPCOMING,
            "Limit for the bytes queued for a client; beyond, a slow client's volatile packets are shed."),
    INTEGER(session.slow_close_ms, "30000", 100, HOUR_MS, UPCOMING,
            "A client that reads nothing for this time is closed."),
    INTEGER(session.inbox_bytes, "1048576", 1024, 256 * MIB, UPCOMING,
            "Limit for a client's unanswered events; beyond, reading from the client pauses."),
    RATE(session.events, "3000/10",
         "Limit for the events of a connection, besides the limits of scripts: an event or message counts "
         "1, a refused one 11, one whose script fails 31. Beyond, the server stops reading until enough "
         "time has passed. A client that continues with refused or failing events is closed."),
    INTEGER(session.namespaces, "16", 1, 1024, UPCOMING, "Namespaces a client may join."),
    INTEGER(session.rooms, "1024", 1, 100000, UPCOMING, "Rooms a socket may be in."),

    RATE(limits.user_messages, "30/60", "Messages of a user, and edits."),
    RATE(limits.channel_messages, "100/60", "Messages into a channel, and edits."),
    RATE(limits.global_messages, "false", "Messages of all users together, for example `{10000, 60}`."),
    RATE(limits.uploads, "10/300", "Uploads of a user."),
    RATE(limits.connects, "10/60", "Connection attempts of a user."),
    LIMIT(limits.connections_per_user, "5", "Connections a user may hold at a time."),
    LIMIT(limits.connections, "10000",
          "Connections a worker may hold, polling sessions included. Beyond, a new connection replaces one "
          "that is idle between requests or not yet admitted; if there is none, the new one is refused with "
          "503."),
    LIMIT(limits.connections_per_address, "2000",
          "Of these, connections of one address. Keep it generous: a school may be one address."),
    RATE(limits.accepts, "false", "New connections, for example `{500, 1}`; beyond, 503 with Retry-After."),
    RATE(limits.accepts_per_address, "false", "The same per address. Keep it generous, too."),
    INTEGER(limits.ipv6_prefix, "64", 32, 128, LIVE,
            "Limits by address treat IPv6 addresses with the same prefix of this many bits as one."),
    {"limits.address_exceptions", KEY_TEXTS, "", 0, 0, NULL, LIVE, false, FIELD(limits.address_exceptions),
     "Addresses and networks (`\"192.0.2.0/24\"`) exempt from limits by address: a campus, a test."},
    LIMIT(limits.channel_users, "10000", "Users that may be online in a channel."),
    INTEGER(limits.state_bytes, "16777216", 65536, 1024 * MIB, RESTART, "Memory for the counters of all limits."),
    INTEGER(limits.inbound_bytes, "67108864", 65536, 1024 * MIB, LIVE,
            "Memory for the received parts of incomplete messages and bodies. Beyond, of the address that "
            "holds most, the connection that holds most is closed."),
    INTEGER(limits.outbound_bytes, "268435456", 65536, 16384LL * MIB, LIVE,
            "Memory for output that clients have not read yet; beyond, the connection that holds most is "
            "closed."),
    INTEGER(cache.max_bytes, "67108864", 65536, 16384LL * MIB, LIVE, "Memory for caches."),
    INTEGER(presence.grace_ms, "5000", 0, HOUR_MS, LIVE, "A user without a connection is offline after this time."),
    INTEGER(presence.tick_ms, "200", 10, 60000, LIVE, "Changes in a channel are announced at most once in this time."),
    INTEGER(presence.names, "500", 0, 100000, LIVE, "Channels with more users online announce only numbers."),

    INTEGER(net.header_timeout_ms, "10000", 100, HOUR_MS, UPCOMING,
            "TLS handshake and request head must arrive within this time."),
    INTEGER(net.body_timeout_ms, "10000", 100, HOUR_MS, UPCOMING,
            "A body must arrive, and the client must read an answer, within this time."),
    INTEGER(net.keepalive_ms, "75000", 100, HOUR_MS, UPCOMING,
            "How long a connection without a request is kept; should be longer than a proxy in front keeps it."),
    INTEGER(net.head_bytes, "16384", 1024, 65536, UPCOMING,
            "The longest head of a request, with its cookies; beyond: 414 or 431."),
    INTEGER(net.backlog, "1024", 1, 65535, RESTART, "Connections that wait to be accepted."),
    {"net.trusted_proxies", KEY_TEXTS, "", 0, 0, NULL, UPCOMING, false, FIELD(net.trusted_proxies),
     "Proxies that may name the client: addresses, networks (`\"10.0.0.0/8\"`), `\"unix\"`. "
     "X-Forwarded-For counts only from these: the client is its last address that is not a trusted "
     "proxy."},
    FLAG(net.proxy_protocol, "false", UPCOMING,
         "Connections of `net.trusted_proxies` begin with a PROXY header, v1 or v2 (HAProxy, load "
         "balancers). Other connections must not have one."),
    {"metrics.listen", KEY_SEVERAL, NULL, 0, 0, NULL, RESTART, false, FIELD(metrics.listen),
     "More addresses that serve only `/metrics` and `/health`: as in `listen`, without TLS, without a "
     "PROXY header, and not counted by `limits.connections`."},
    SECRET(metrics.token, LIVE, "Bearer token of `/metrics`; without a token, only loopback gets an answer."),

    INTEGER(lua.memory_bytes, "67108864", MIB, 4096LL * MIB, LIVE, "Memory of a worker's scripts."),
    INTEGER(lua.instructions, "10000000", 10000, 10000000000LL, LIVE,
            "Instructions that a script may execute before it waits or ends."),
    INTEGER(lua.wall_ms, "200", 1, 10000, LIVE, "The time that a script may run before it waits or ends."),
    INTEGER(lua.tasks, "10000", 1, 1000000, LIVE,
            "Script calls that may wait at the same time; beyond, events are refused."),
    FLAG(lua.jit, "false", LIVE, "Compile scripts (JIT); the budgets then cannot stop an endless loop."),
    FLAG(lua.open, "false", LIVE, "Give scripts all of Lua's libraries (io, os, ffi, debug)."),

    INTEGER(drain.timeout_s, "10", 1, 3600, LIVE, "The server ends within this time after SIGTERM."),
    INTEGER(drain.notice_s, "0", 0, 600, LIVE,
            "How long the server reports \"not ready\" but still accepts, so that load balancers notice."),
    INTEGER(drain.reconnect_in_ms, "1000", 0, HOUR_MS, LIVE,
            "The minimum wait before reconnecting that `server:shutdown` tells clients."),
    TEXT(drain.message, "The server is restarting.", LIVE, "The text for people in `server:shutdown`."),
};
const size_t keys_len = sizeof keys / sizeof *keys;

const struct key *key_find(const char *name) {
    for (size_t i = 0; i < keys_len; i++)
        if (strcmp(keys[i].name, name) == 0) return &keys[i];
    return NULL;
}

bool key_is_section(const char *name) {
    size_t len = strlen(name);
    for (size_t i = 0; i < keys_len; i++)
        if (strncmp(keys[i].name, name, len) == 0 && keys[i].name[len] == '.') return true;
    return false;
}

enum { NAME_MAX_LEN = 63, NEAR = 3 };

/* Levenshtein's distance. */
static unsigned distance(const char *a, const char *b) {
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len > NAME_MAX_LEN || b_len > NAME_MAX_LEN) return NAME_MAX_LEN;
    unsigned row[NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= b_len; j++) row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned replace = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            unsigned insert = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            row[j] = replace < insert ? replace : insert;
        }
    }
    return row[b_len];
}

const char *key_nearest(const char *name) {
    const char *nearest = NULL;
    unsigned least = NEAR + 1;
    for (size_t i = 0; i < keys_len; i++) {
        /* Also for a key that was written at the wrong level: "driver" means "store.driver". */
        const char *last = strrchr(keys[i].name, '.');
        unsigned whole = distance(name, keys[i].name);
        unsigned tail = last && !strchr(name, '.') ? distance(name, last + 1) + 1 : NAME_MAX_LEN;
        unsigned best = whole < tail ? whole : tail;
        /* A name that is more than half wrong is not a typing mistake. */
        if (best < least && best * 2 < strlen(name)) least = best, nearest = keys[i].name;
    }
    return nearest;
}
