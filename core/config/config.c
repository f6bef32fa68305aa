/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "config/check.h"
#include "config/doubts.h"
#include "config/file.h"
#include "config/sources.h"
#include "config/value.h"

static bool check_table(const struct config *config, const struct value *table, const char *prefix,
                        struct error *error_r);

/* Is the name known, and is it a table where it must be one? */
static bool check_name(const struct config *config, const struct value *child, const char *prefix,
                       struct error *error_r) {
    if (!child->key) {
        check_complain(error_r, config->file, child->line, prefix[0] ? prefix : "configuration",
                       "a value without a name");
        return false;
    }
    char name[128];
    snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "", child->key);
    if (key_find(name)) return true;
    if (key_is_section(name)) {
        if (child->type == VALUE_TABLE) return check_table(config, child, name, error_r);
        check_complain(error_r, config->file, child->line, name, "must be a table");
        return false;
    }
    const char *nearest = key_nearest(name);
    if (nearest)
        check_complain(error_r, config->file, child->line, name, "unknown key, did you mean \"%s\"?", nearest);
    else
        check_complain(error_r, config->file, child->line, name, "unknown key");
    return false;
}

static bool check_table(const struct config *config, const struct value *table, const char *prefix,
                        struct error *error_r) {
    for (const struct value *child = table->first; child; child = child->next)
        if (!check_name(config, child, prefix, error_r)) return false;
    return true;
}

static bool set_fields(struct config *config, const char *folder, struct error *error_r) {
    for (size_t i = 0; i < keys_len; i++) {
        struct value *value = value_find(config->tree, keys[i].name);
        if (!value) {
            struct value *fallback = check_fallback(&keys[i]);
            if (!fallback) continue;
            value = fallback;
            if (!value_set(config->tree, keys[i].name, &fallback, error_r)) return false;
        }
        if (!check_key(config, folder, &keys[i], value, error_r)) return false;
    }
    return true;
}

void config_complain(const struct config *config, const char *key, struct error *error_r, const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    check_complain(error_r, config->file, value_line(config->tree, key), key, "%s", text);
}

static bool complain(const struct config *config, const char *key, struct error *error_r, const char *text) {
    config_complain(config, key, error_r, "%s", text);
    return false;
}

/* Refuses keys of a mode without the mode: an operator who forgot it believes that clients are checked. Looks at the
 * written keys, before defaults are added. */
static bool check_mode(const struct config *config, struct error *error_r) {
    if (value_find(config->tree, "auth.mode")) return true;
    for (size_t i = 0; i < keys_len; i++) {
        if (strncmp(keys[i].name, "auth.", 5) != 0 || !value_find(config->tree, keys[i].name)) continue;
        config_complain(config, "auth.mode", error_r,
                        "is missing beside %s: say \"jwt\" or \"session\", or \"development\", which believes everyone",
                        keys[i].name);
        return false;
    }
    return true;
}

static bool is_address(const char *text) {
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text) return false;
    if (memchr(text, ':', (size_t)(colon - text)) && (text[0] != '[' || colon[-1] != ']')) return false; /* IPv6 */
    size_t digits = strspn(colon + 1, "0123456789");
    long port = digits > 0 && digits <= 5 && !colon[1 + digits] ? strtol(colon + 1, NULL, 10) : 0;
    return port >= 1 && port <= 65535 && !strpbrk(text, " \t\n/@");
}

static bool check_redis(const struct config *config, struct error *error_r) {
    const struct config_redis *redis = &config->redis;
    bool standalone = strcmp(redis->mode, "standalone") == 0;
    for (size_t i = 0; i < redis->nodes.len; i++) {
        if (is_address(redis->nodes.items[i])) continue;
        config_complain(config, "redis.nodes", error_r, "\"%s\" is no \"host:port\"", redis->nodes.items[i]);
        return false;
    }
    if (standalone && redis->nodes.len > 1)
        config_complain(config, "redis.nodes", error_r, "one node is what mode = \"standalone\" has");
    else if (!standalone && redis->nodes.len == 0)
        config_complain(config, "redis.nodes", error_r, "mode = \"%s\" needs one at least", redis->mode);
    else if (redis->user && !redis->password)
        config_complain(config, "redis.password", error_r, "redis.user needs it");
    else if (redis->socketio_adapter && redis->nodes.len == 0)
        config_complain(config, "redis.nodes", error_r, "redis.socketio_adapter needs them");
    else
        return true;
    return false;
}

/* env "NAME" of a name that is set to nothing. */
static bool check_secrets(const struct config *config, struct error *error_r) {
    for (size_t i = 0; i < config->api_keys.len; i++)
        if (!config->api_keys.items[i][0]) return complain(config, "api_keys", error_r, "a key is empty");
    if (config->metrics.token && !config->metrics.token[0])
        return complain(config, "metrics.token", error_r, "is empty: leave it out, or set one");
    if (config->redis.secret && !config->redis.secret[0])
        return complain(config, "redis.secret", error_r, "is empty: leave it out, or set one");
    return true;
}

/* curl reads it when keys are first fetched: too late to report that it is missing. */
static bool check_authorities(const struct config *config, struct error *error_r) {
    struct buffer pem = {0};
    struct error error;
    if (!config->auth.jwks_ca) return true;
    bool is_there = file_read(config->auth.jwks_ca, &pem, &error);
    buffer_append_char(&pem, '\0');
    bool good = is_there && strstr(pem.ptr, "-----BEGIN CERTIFICATE-----");
    if (!good)
        config_complain(config, "auth.jwks_ca", error_r, "%s", is_there ? "holds no certificate in PEM" : error.text);
    buffer_done(&pem);
    return good;
}

/* Checks that involve several keys. */
static bool check_together(const struct config *config, struct error *error_r) {
    size_t path_len = strlen(config->path);
    if (config->workers != 1 && config->redis.nodes.len == 0)
        return complain(config, "workers", error_r, "more than one worker needs redis.nodes");
    if (config->workers != 1 && strcmp(config->store.driver, "sqlite") == 0 &&
        strcmp(config->store.path, ":memory:") != 0)
        return complain(config, "workers", error_r, "a file of SQLite serves one worker only");
    if (path_len < 2 || config->path[0] != '/' || config->path[path_len - 1] != '/')
        return complain(config, "path", error_r, "must begin and end with \"/\"");
    if (config->plain_path[0] != '/') return complain(config, "plain_path", error_r, "must begin with \"/\"");
    if (strcmp(config->store.driver, "postgres") == 0 && (!config->postgres.global || !config->postgres.shards.len))
        return complain(config, config->postgres.global ? "postgres.shards" : "postgres.global", error_r,
                        "store.driver = \"postgres\" needs it");
    if (!check_redis(config, error_r) || !check_secrets(config, error_r) || !check_authorities(config, error_r))
        return false;
    if (config->transports.len == 0) return complain(config, "transports", error_r, "must name one at least");
    if (!config->tls.certificate != !config->tls.key)
        return complain(config, config->tls.key ? "tls.key" : "tls.certificate", error_r,
                        "tls needs both, certificate and key");
    if (!config->tls.certificate && (config->tls.certificates.len > 0 || config->tls.client_ca))
        return complain(config, config->tls.client_ca ? "tls.client_ca" : "tls.certificates", error_r,
                        "needs tls.certificate");
    return true;
}

struct config *config_new(const char *file, struct value **tree, struct error *error_r) {
    struct config *config = NEW(struct config);
    config->references = 1;
    config->file = memory_copy(file, strlen(file));
    config->tree = *tree;
    *tree = NULL;
    char *folder = file_folder(file);
    bool good = false;
    if (config->tree->type != VALUE_TABLE)
        error_set(error_r, "%s:1: the file must return a table", file);
    else
        good = check_table(config, config->tree, "", error_r) && check_mode(config, error_r) &&
               set_fields(config, folder, error_r) && check_together(config, error_r) &&
               sources_read(config, value_find(config->tree, "scripts"), error_r);
    free(folder);
    if (!good) config_unref(&config);
    return config;
}

char *config_peek(struct value *tree, const char *file, const char *name) {
    struct config config = {.file = (char *)file};
    const struct key *key = key_find(name);
    struct value *fallback = NULL, *value = value_find(tree, name);
    if (!value) value = fallback = check_fallback(key);
    char *folder = file_folder(file), *text = NULL;
    if (value && check_key(&config, folder, key, value, NULL)) {
        const char *field = *(const char **)((char *)&config + key->offset);
        if (field) text = memory_copy(field, strlen(field));
    }
    value_free(&fallback);
    free(folder);
    return text;
}

struct config *config_ref(struct config *config) {
    config->references++;
    return config;
}

static void wipe_text(struct value *value) {
    for (; value; value = value->next) {
        if (value->text) explicit_bzero(value->text, strlen(value->text));
        wipe_text(value->first);
    }
}

void config_unref(struct config **config) {
    struct config *at = *config;
    *config = NULL;
    if (!at || --at->references > 0) return;
    for (size_t i = 0; i < keys_len; i++)
        if (keys[i].type == KEY_TEXTS || keys[i].type == KEY_PATHS || keys[i].type == KEY_SEVERAL)
            free(((struct config_texts *)((char *)at + keys[i].offset))->items);
    check_free_shards(&at->postgres.shards);
    sources_free(&at->sources);
    doubts_free(&at->doubts);
    wipe_text(at->tree);
    value_free(&at->tree);
    free(at->file);
    free(at);
}

struct slice config_source(const struct config *config, const char *path) {
    return sources_find(config->sources, path);
}

void config_each_change(const struct config *before, const struct config *after,
                        void (*fn)(void *owner, const char *key, enum config_when when), void *owner) {
    for (size_t i = 0; i < keys_len; i++) {
        const struct value *was = value_find(before->tree, keys[i].name), *is = value_find(after->tree, keys[i].name);
        if (!value_equal(was, is)) fn(owner, keys[i].name, keys[i].when);
    }
}
