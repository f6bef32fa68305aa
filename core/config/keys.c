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
     "Where clients connect, one or several: `127.0.0.1:3000`; `[::1]:3000` (IPv6 alone); `localhost:3000`, every "
     "address "
     "of the name; `:3000`, all addresses of both families; port 0 picks a free one; "
     "`unix:/run/stoa/http.sock,mode=0660,owner=www-data:www-data`, mode and owner if wanted."},
    {"workers", KEY_INTEGER, "1", 1, 256, "auto", RESTART, false, FIELD(workers),
     "Worker processes; `\"auto\"`: one a CPU, more where one has too few descriptors for `limits.connections`. More "
     "than one needs `redis.nodes`."},
    INTEGER(
        start_timeout_s, "300", 1, 86400, LIVE,
        "A worker that starts is ended when it says for so long neither that it serves nor that it gets on (with the "
        "migration of a large store)."),
    TEXT(user, NULL, RESTART,
         "Started as root: become this user once the port is bound, before any other file is opened."),
    PATH(control, "stoa.sock", RESTART, "Unix socket of `stoa reload` and `stoa status`; `\"\"`: none."),
    WORD(log_level, "info", "debug info warning error", LIVE, "The least level that is logged."),
    PATH(log_file, NULL, RESTART, "Log to this file instead of stderr; SIGUSR1 opens it anew."),

    TEXT(path, "/socket.io/", UPCOMING, "Where Socket.IO clients connect."),
    TEXT(plain_path, "/ws", UPCOMING, "Where clients without Socket.IO connect: JSON over WebSocket."),
    {"transports", KEY_TEXTS, "websocket polling", 0, 0, "websocket polling", UPCOMING, false, FIELD(transports),
     "What clients may use."},
    {"origins", KEY_TEXTS, "self", 0, 0, NULL, UPCOMING, false, FIELD(origins),
     "Web pages that may connect: exact origins, `\"self\"` (the Host's own), or `\"*\"`."},
    {"hosts", KEY_TEXTS, "", 0, 0, NULL, LIVE, false, FIELD(hosts),
     "Names by which clients call the server, as Host says them, without port; other names get 421. Addresses, names "
     "without a dot, `localhost`, and the names in `listen` and `origins` need not be listed. None: those alone in "
     "development mode, else any."},
    FLAG(origin_required, "false", UPCOMING,
         "Refuse clients that send no Origin with 403. Needed where scripts know users by a cookie."),
    FLAG(deflate, "true", UPCOMING, "Offer permessage-deflate; each message is compressed once for all its receivers."),
    INTEGER(ping_interval_ms, "25000", 10, HOUR_MS, UPCOMING, "Between two pings to a client."),
    INTEGER(
        ping_timeout_ms, "20000", 10, HOUR_MS, UPCOMING,
        "A client that does not answer a ping for so long is gone; for twice as long, if it says something meanwhile."),
    INTEGER(connect_timeout_ms, "45000", 10, HOUR_MS, UPCOMING, "A client must join a namespace within this time."),
    INTEGER(upgrade_timeout_ms, "10000", 10, HOUR_MS, UPCOMING,
            "An upgrade from polling must be complete within this time."),
    INTEGER(max_payload_bytes, "1000000", 256, 64 * MIB, UPCOMING,
            "The largest message or request body from a client."),
    PATH(static_folder, NULL, LIVE, "Files served at `/`, such as the chat page."),

    {"scripts", KEY_PATHS, "", 0, 0, NULL, LIVE, false, FIELD(scripts), "The policies, loaded in this order."},
    WORD(
        auth.mode, NULL, "development jwt session", LIVE,
        "How clients prove who they are: `\"jwt\"`, by a token that an identity provider has signed; `\"session\"`, by "
        "one that `POST /api/sessions` has made; `\"development\"` believes them. scripts/auth.lua asks for it."),
    WORD(auth.algorithm, NULL, "HS256 RS256 ES256 EdDSA", LIVE,
         "What signs tokens (`jwt`). Without it `HS256` with `auth.secret`, else `RS256`."),
    SECRET(auth.secret, LIVE, "The key of HS256, 32 bytes or more."),
    TEXT(auth.public_key, NULL, LIVE, "The public key, as PEM."),
    PATH(auth.public_key_file, NULL, LIVE, "A file with it."),
    PATH(auth.jwks_file, NULL, LIVE, "A file with public keys as a JWK Set."),
    TEXT(auth.jwks_url, NULL, LIVE,
         "Where an identity provider has its public keys (a JWK Set): https, or http on this machine. Each worker "
         "fetches "
         "them, and again when a token names a key that it does not know."),
    PATH(auth.jwks_ca, NULL, LIVE,
         "PEM file with the certificates that may have signed that of `auth.jwks_url`; without it the system's."),
    INTEGER(auth.jwks_refresh_s, "600", 1, 86400, LIVE,
            "After this time, and up to half of it more, they are fetched again."),
    INTEGER(auth.jwks_pause_s, "10", 1, 3600, LIVE,
            "So long at least, and up to half of it more, between two fetches for the sake of unknown keys or after a "
            "failure."),
    INTEGER(auth.jwks_max_age_s, "86400", 2, 2592000, LIVE,
            "While the provider is away, keys serve until they are so old; then nobody comes in."),
    TEXT(auth.kid, NULL, LIVE, "The name of the secret or public key: a token that names a key must name this one."),
    TEXT(auth.user_claim, "sub", LIVE,
         "The claim that is the user's id: a text of 1 to 255 bytes, or a whole number. `a.b` is `b` within `a`."),
    {"auth.claims", KEY_TEXTS, "", 0, 0, NULL, LIVE, false, FIELD(auth.claims),
     "Claims that scripts see as `socket.user.claims[NAME]`, for example `{ \"realm_access.roles\" }`."},
    TEXT(auth.issuer, NULL, LIVE, "What a token's `iss` must be."),
    TEXT(auth.audience, NULL, LIVE, "What a token's `aud` must be, or have among others."),
    INTEGER(auth.leeway_s, "30", 0, 600, LIVE, "By how much the clock of who signs tokens may differ from ours."),
    {"api_keys", KEY_TEXTS, "", 0, 0, NULL, LIVE, true, FIELD(api_keys), "Bearer keys of the REST interface."},
    OPEN(app, "Free for your own scripts: `stoa.config.app`."),

    WORD(store.driver, "sqlite", "sqlite postgres", RESTART, "Where channels, messages and users are kept."),
    PATH(store.path, "stoa.db", RESTART, "The database file of SQLite."),
    SECRET(postgres.global, RESTART, "Conninfo of the database of users, channels and members."),
    {"postgres.shards", KEY_SHARDS, "", 0, 0, NULL, RESTART, true, FIELD(postgres.shards),
     "Conninfos of the databases of messages: `{ { write = \"…\", read = { \"…\" } }, … }`; read: replicas, each a "
     "conninfo "
     "or `{ conninfo = \"…\", purposes = { … } }`: `history` (pages of messages, and single ones), `sync` (events that "
     "someone missed), `disaster_recovery` (not read); without, any read."},
    WORD(postgres.durability, "primary", "primary quorum relaxed", RESTART,
         "What an acknowledgement means: flushed on the primary, also on a standby, or not even that."),
    {"postgres.gather_ms", KEY_INTEGER, "auto", 0, 1000, "auto", RESTART, false, FIELD(postgres.gather_ms),
     "Appends wait so long for others of their shard, to be one commit; `\"auto\"`: as the load asks for, 25 at most, "
     "and "
     "never one that comes alone; 0: never."},
    INTEGER(postgres.pool.write, "50", 1, 10000, RESTART, "Connections to primaries, of all workers and databases."),
    INTEGER(postgres.pool.read, "100", 1, 10000, RESTART, "Connections to replicas, of all workers and databases."),
    INTEGER(postgres.pool.min, "10", 0, 10000, RESTART, "Of them, those to primaries that are kept open."),
    INTEGER(postgres.pool.reserve, "25", 0, 10000, RESTART, "More connections to primaries, for when queries wait."),
    INTEGER(postgres.pool.reserve_after_ms, "5000", 1, HOUR_MS, RESTART, "So long must a query have waited for one."),
    INTEGER(postgres.pool.budget, "150", 2, 20000, RESTART, "Connections of any kind, of all workers."),
    INTEGER(postgres.pool.idle_s, "600", 1, 86400, RESTART, "An idle connection beyond the minimum is closed."),
    INTEGER(postgres.pool.lifetime_s, "3600", 1, 86400, RESTART, "A connection is replaced at this age, give or take."),
    INTEGER(postgres.pool.connect_timeout_ms, "5000", 10, 60000, RESTART, "To connect to one address."),
    INTEGER(postgres.pool.query_timeout_ms, "5000", 100, HOUR_MS, RESTART, "A query is cancelled after it."),
    INTEGER(postgres.pool.wait_ms, "2000", 10, HOUR_MS, RESTART, "A query waits so long for a connection."),
    WORD(redis.mode, "standalone", "standalone sentinel cluster", RESTART,
         "What `redis.nodes` are: the server, the Sentinels that know it, or some nodes of a Cluster."),
    {"redis.nodes", KEY_TEXTS, "", 0, 0, NULL, RESTART, false, FIELD(redis.nodes),
     "Where Redis is, `\"host:port\"` each; none: this node is alone."},
    TEXT(redis.master, "mymaster", RESTART, "What Sentinels call the primary."),
    TEXT(redis.user, NULL, RESTART, "The ACL user."),
    SECRET(redis.password, RESTART, "Its password, or that of the default user."),
    SECRET(redis.secret, RESTART,
           "Messages between workers carry its HMAC, and those without it are dropped: the same on all nodes."),
    {"redis.socketio_adapter", KEY_TEXT, "false", 0, 0, "classic sharded both", RESTART, false,
     FIELD(redis.socketio_adapter),
     "Share rooms with Node.js Socket.IO servers on this Redis, in the format of their adapter."},
    INTEGER(redis.pending_bytes, "16777216", 65536, 1024 * MIB, RESTART,
            "Commands of a worker that wait or are unanswered; beyond, they are refused at once."),
    INTEGER(redis.reply_bytes, "67108864", 65536, 1024 * MIB, RESTART, "A larger reply ends the connection."),
    INTEGER(redis.command_timeout_ms, "1000", 10, 60000, RESTART, "A command is given up after it."),
    INTEGER(redis.connect_timeout_ms, "2000", 10, 60000, RESTART, "To connect, name look-up and AUTH included."),
    ABSENT(redis.tls, "TLS to Redis (docs/redis.md has a way with stunnel)"),
    TEXT(node.name, NULL, RESTART, "What other nodes call this one; without it, the name of the host."),
    TEXT(node.region, NULL, RESTART, "The region it is in."),
    PATH(tls.certificate, NULL, UPCOMING, "PEM file with the certificate and its chain; a reload reads it again."),
    PATH(tls.key, NULL, UPCOMING, "PEM file with the private key."),
    {"tls.certificates", KEY_PATHS, "", 0, 0, NULL, UPCOMING, false, FIELD(tls.certificates),
     "More certificates: PEM files, each with the certificate, its chain and its key. A client that asks for a name "
     "(SNI) "
     "gets the first one that is for it."},
    PATH(tls.client_ca, NULL, UPCOMING,
         "PEM file with certificates: clients are asked for one that these have signed. One that has none is served "
         "too, "
         "one with another is not."),
    INTEGER(tls.hsts_s, "0", 0, 63072000, UPCOMING,
            "Answers over TLS tell browsers to use nothing else for so long (Strict-Transport-Security); 0: they do "
            "not. It cannot be taken back."),
    FLAG(tls.kernel, "false", UPCOMING, "Let the kernel encrypt (kTLS), where it can."),

    INTEGER(recovery.window_s, "120", 0, 86400, UPCOMING, "A client that comes back within it misses nothing; 0: off."),
    INTEGER(recovery.max_events, "1000", 1, 100000, UPCOMING, "Packets kept a room for that."),
    INTEGER(recovery.max_bytes, "1048576", 1024, 256 * MIB, UPCOMING, "Bytes kept a room for that."),
    WORD(recovery.offer, "asked", "asked all none", UPCOMING,
         "Who may come back so: clients that ask, with the query `recovery=1` or `auth.recovery`; `all`; `none`. Their "
         "events have one more argument, a text."),
    {"fanout.window_ms", KEY_INTEGER, "auto", 0, 1000, "auto", LIVE, false, FIELD(fanout.window_ms),
     "Broadcasts wait so long for others to the same clients; `\"auto\"`: as the load asks for; 0: never."},
    INTEGER(fanout.window_max_ms, "15", 1, 1000, LIVE, "The longest wait that `\"auto\"` chooses."),
    INTEGER(session.outbox_bytes, "1048576", 16384, 256 * MIB, UPCOMING,
            "Beyond, a slow client's volatile packets are shed."),
    INTEGER(session.slow_close_ms, "30000", 100, HOUR_MS, UPCOMING,
            "A client that takes nothing for so long is closed."),
    INTEGER(session.inbox_bytes, "1048576", 1024, 256 * MIB, UPCOMING,
            "Events that wait for their answer; beyond, reading from the client pauses."),
    RATE(session.events, "3000/10",
         "What a connection may ask, whatever scripts limit beside: an event or message counts 1, one that is refused "
         "11, "
         "one whose script fails 31; beyond, it is not read until so much time has passed, and who goes on asking in "
         "vain "
         "is closed."),
    INTEGER(session.namespaces, "16", 1, 1024, UPCOMING, "Namespaces a client may join."),
    INTEGER(session.rooms, "1024", 1, 100000, UPCOMING, "Rooms a socket may be in."),

    RATE(limits.user_messages, "30/60", "Messages of a user, and edits."),
    RATE(limits.channel_messages, "100/60", "Messages into a channel, and edits."),
    RATE(limits.global_messages, "false", "Messages of all users together, for example `{10000, 60}`."),
    RATE(limits.uploads, "10/300", "Uploads of a user."),
    RATE(limits.connects, "10/60", "Connection attempts of a user."),
    LIMIT(limits.connections_per_user, "5", "Connections a user may hold at a time."),
    LIMIT(limits.connections, "10000",
          "Connections a worker may hold, sessions that poll included; beyond, newcomers get the place of those that "
          "wait "
          "for a request or have not been let in, and are refused with 503 if there are none."),
    LIMIT(limits.connections_per_address, "2000",
          "Of them, those of one address. Keep it generous: a school is one address."),
    RATE(limits.accepts, "false", "New connections, for example `{500, 1}`; beyond, 503 and when to come back."),
    RATE(limits.accepts_per_address, "false", "The same of one address. As generous."),
    INTEGER(limits.ipv6_prefix, "64", 32, 128, LIVE,
            "IPv6 addresses of the same so many bits are one to all limits by address."),
    {"limits.address_exceptions", KEY_TEXTS, "", 0, 0, NULL, LIVE, false, FIELD(limits.address_exceptions),
     "Addresses and networks (`\"192.0.2.0/24\"`) that no limit by address counts: a campus, a test."},
    LIMIT(limits.channel_users, "10000", "Users that may be online in a channel."),
    INTEGER(limits.state_bytes, "16777216", 65536, 1024 * MIB, RESTART, "Memory for the counters of all limits."),
    INTEGER(
        limits.inbound_bytes, "67108864", 65536, 1024 * MIB, LIVE,
        "Memory for messages and bodies that have begun and not ended, as far as they have come; beyond, whoever holds "
        "most of the address that holds most is cut off."),
    INTEGER(limits.outbound_bytes, "268435456", 65536, 16384LL * MIB, LIVE,
            "Memory for what clients do not take as fast as it comes; beyond, who holds most is closed."),
    INTEGER(cache.max_bytes, "67108864", 65536, 16384LL * MIB, LIVE, "Memory for caches."),
    INTEGER(presence.grace_ms, "5000", 0, HOUR_MS, LIVE, "A user without a connection is offline after this time."),
    INTEGER(presence.tick_ms, "200", 10, 60000, LIVE, "Changes of a channel are told at most this often."),
    INTEGER(presence.names, "500", 0, 100000, LIVE, "Channels with more users online tell numbers only."),

    INTEGER(net.header_timeout_ms, "10000", 100, HOUR_MS, UPCOMING,
            "TLS handshake and request head must arrive within it."),
    INTEGER(net.body_timeout_ms, "10000", 100, HOUR_MS, UPCOMING, "So must a body, and so must an answer be taken."),
    INTEGER(net.keepalive_ms, "75000", 100, HOUR_MS, UPCOMING,
            "A connection without a request is kept for so long; longer than a proxy in front keeps it."),
    INTEGER(net.head_bytes, "16384", 1024, 65536, UPCOMING,
            "The longest head of a request, with its cookies; beyond: 414 or 431."),
    INTEGER(net.backlog, "1024", 1, 65535, RESTART, "Connections that wait to be accepted."),
    {"net.trusted_proxies", KEY_TEXTS, "", 0, 0, NULL, UPCOMING, false, FIELD(net.trusted_proxies),
     "Proxies, which may say whose connection they pass on: addresses, networks (`\"10.0.0.0/8\"`), `\"unix\"`. "
     "Theirs "
     "alone is the X-Forwarded-For that counts: its last address that is none of these."},
    FLAG(net.proxy_protocol, "false", UPCOMING,
         "Connections of `net.trusted_proxies` begin with a PROXY header, v1 or v2 (HAProxy, load balancers). Others' "
         "must not."),
    {"metrics.listen", KEY_SEVERAL, NULL, 0, 0, NULL, RESTART, false, FIELD(metrics.listen),
     "Where `/metrics` and `/health` are answered as well, and nothing else: addresses as in `listen`, without TLS, "
     "without "
     "a PROXY header, and whatever `limits.connections` says."},
    SECRET(metrics.token, LIVE, "Bearer token of `/metrics`; without one it answers to loopback only."),

    INTEGER(lua.memory_bytes, "67108864", MIB, 4096LL * MIB, LIVE, "Memory of the scripts."),
    INTEGER(lua.instructions, "10000000", 10000, 10000000000LL, LIVE,
            "What a script may execute before it waits or ends."),
    INTEGER(lua.wall_ms, "200", 1, 10000, LIVE, "The time that it may take for that."),
    INTEGER(lua.tasks, "10000", 1, 1000000, LIVE, "Script calls that wait at a time; beyond, events are refused."),
    FLAG(lua.jit, "false", LIVE, "Compile scripts; a runaway loop is then not stopped by the budgets."),
    FLAG(lua.open, "false", LIVE, "Give scripts all of Lua's libraries (io, os, ffi, debug)."),

    INTEGER(drain.timeout_s, "10", 1, 3600, LIVE, "After SIGTERM the server has ended within this time."),
    INTEGER(drain.notice_s, "0", 0, 600, LIVE,
            "So long it is \"not ready\" but accepts, for load balancers to notice."),
    INTEGER(drain.reconnect_in_ms, "1000", 0, HOUR_MS, LIVE, "What `server:shutdown` tells clients to wait, at least."),
    TEXT(drain.message, "The server is restarting.", LIVE, "What `server:shutdown` tells people."),
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
        /* A name that is more than half wrong is no slip of the pen. */
        if (best < least && best * 2 < strlen(name)) least = best, nearest = keys[i].name;
    }
    return nearest;
}
