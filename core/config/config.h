/* SPDX-License-Identifier: Apache-2.0 */
/* config.h - the operator's settings: validated, complete, immutable, shared by reference.
 *
 * A field has the name of its key (keys.c has the table: type, default, range, when a change takes effect, and a
 * sentence on each). The file is evaluated by lua/; what it returns arrives here as a tree. Nothing changes after
 * config_new.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"
#include "config/cluster.h"

struct buffer;
struct value;
struct config_rate {
    int64_t count, period_s; /* count 0: not limited */
};
struct config {
    unsigned references;
    char *file;          /* absolute */
    struct value *tree;  /* stoa.config of scripts: as written, plus defaults, relative paths resolved */
    struct map *sources; /* config_source */
    struct doubt *doubts;
    const char *path, *plain_path, *control, *user, *static_folder, *log_level, *log_file; /* NULL: not set */
    int64_t workers, start_timeout_s;
    bool deflate, origin_required;
    struct config_texts listen, transports, hosts, origins, scripts, api_keys;
    int64_t ping_interval_ms, ping_timeout_ms, connect_timeout_ms, upgrade_timeout_ms, max_payload_bytes;
    struct {
        const char *driver, *path;
    } store;
    struct config_postgres postgres;
    struct config_redis redis;
    struct config_node node;
    struct {
        const char *certificate, *key, *client_ca;
        struct config_texts certificates;
        int64_t hsts_s;
        bool kernel;
    } tls;
    struct {
        int64_t window_s, max_events, max_bytes;
        const char *offer;
    } recovery;
    struct {
        int64_t max_bytes;
    } cache;
    struct {
        int64_t outbox_bytes, slow_close_ms, inbox_bytes, namespaces, rooms;
        struct config_rate events;
    } session;
    struct {
        int64_t window_ms, window_max_ms; /* window_ms -1: "auto" */
    } fanout;
    struct {
        const char *mode, *algorithm, *secret, *public_key, *public_key_file, *jwks_file, *jwks_url, *jwks_ca, *kid;
        const char *user_claim, *issuer, *audience;
        struct config_texts claims;
        int64_t leeway_s, jwks_refresh_s, jwks_pause_s, jwks_max_age_s;
    } auth; /* mode NULL: no script in use needs it */
    struct {
        int64_t timeout_s, notice_s, reconnect_in_ms;
        const char *message;
    } drain;
    struct {
        struct config_rate user_messages, channel_messages, global_messages, uploads, connects, accepts,
            accepts_per_address;
        int64_t connections_per_user, connections, connections_per_address, channel_users; /* 0: not limited */
        int64_t ipv6_prefix;
        struct config_texts address_exceptions;
        int64_t state_bytes, inbound_bytes, outbound_bytes;
    } limits;
    struct {
        int64_t grace_ms, tick_ms, names;
    } presence;
    struct {
        int64_t header_timeout_ms, body_timeout_ms, keepalive_ms, head_bytes, backlog;
        struct config_texts trusted_proxies;
        bool proxy_protocol;
    } net;
    struct {
        int64_t memory_bytes, instructions, wall_ms, tasks;
        bool jit, open;
    } lua;
    struct {
        const char *token;
        struct config_texts listen;
    } metrics;
};

/* Takes the tree (its keys carry lines); reads the scripts too. NULL: error_r is "FILE:LINE: key: …". */
struct config *config_new(const char *file, struct value **tree, struct error *error_r) MUST_CHECK;
/* Reads a text or path even if other keys in the tree are wrong; NULL: not set, or wrong. The caller frees. */
char *config_peek(struct value *tree, const char *file, const char *name);
struct config *config_ref(struct config *config);
void config_unref(struct config **config);
/* "FILE:LINE: KEY: …", for mistakes that show only when a setting is used. */
void config_complain(const struct config *config, const char *key, struct error *error_r, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* The text of a script (absolute path) when the configuration was read, for restarted workers. Available for those in
 * `scripts` and every *.lua in their folders; else the pointer is NULL. */
struct slice config_source(const struct config *config, const char *path);

enum config_when { CONFIG_LIVE, CONFIG_NEW_CONNECTIONS, CONFIG_RESTART };
/* fn for each key whose value differs. */
void config_each_change(const struct config *before, const struct config *after,
                        void (*fn)(void *owner, const char *key, enum config_when when), void *owner);

#endif
