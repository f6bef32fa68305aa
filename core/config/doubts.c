/* SPDX-License-Identifier: Apache-2.0 */
#include "config/doubts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "config/check.h"
#include "config/file.h"
#include "config/value.h"

enum { SECRET_MIN = 16, LITERAL_MIN = 8 };

struct doubt {
    struct doubt *next;
    unsigned line;
    char key[64], problem[256];
};

void doubts_add(struct config *config, unsigned line, const char *key, const char *format, ...) {
    struct doubt *doubt = NEW(struct doubt), **end = &config->doubts;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(doubt->problem, sizeof doubt->problem, format, arguments);
    va_end(arguments);
    snprintf(doubt->key, sizeof doubt->key, "%s", key);
    doubt->line = line;
    while (*end) end = &(*end)->next;
    *end = doubt;
}

void doubts_free(struct doubt **doubts) {
    for (struct doubt *next; *doubts; *doubts = next) {
        next = (*doubts)->next;
        free(*doubts);
    }
}

static void tell(const struct config *config, unsigned line, const char *key, const char *problem) {
    char place[300];
    if (line > 0)
        snprintf(place, sizeof place, "%.280s:%u", config->file, line);
    else
        snprintf(place, sizeof place, "%.280s", config->file);
    LOG_ALWAYS(LOG_WARNING, "config.doubtful", LOG_TEXT("at", place), LOG_TEXT("key", key),
               LOG_TEXT("problem", problem));
}

static void look_at_folder(const struct config *config) {
    struct stat folder;
    char problem[400];
    const char *path = config->static_folder;
    if (!path || !path[0]) return;
    bool is_there = stat(path, &folder) == 0;
    if (is_there && S_ISDIR(folder.st_mode)) return;
    snprintf(problem, sizeof problem, "%s: %s: nothing is served from it", path,
             is_there ? "is no folder" : strerror(errno));
    tell(config, value_line(config->tree, "static_folder"), "static_folder", problem);
}

/* Keys for checking tokens, with a mode that checks none. */
static void look_at_mode(const struct config *config) {
    const char *mode = config->auth.mode;
    const struct {
        const char *key, *value;
    } checks[] = {{"auth.issuer", config->auth.issuer},
                  {"auth.audience", config->auth.audience},
                  {"auth.secret", config->auth.secret},
                  {"auth.public_key", config->auth.public_key},
                  {"auth.public_key_file", config->auth.public_key_file},
                  {"auth.jwks_file", config->auth.jwks_file},
                  {"auth.jwks_url", config->auth.jwks_url}};
    for (size_t i = 0; mode && strcmp(mode, "jwt") != 0 && i < sizeof checks / sizeof *checks; i++) {
        if (!checks[i].value) continue;
        tell(config, value_line(config->tree, checks[i].key), checks[i].key,
             "nobody looks at it: it is for auth.mode = \"jwt\"");
        return;
    }
}

/* ---- secrets that can be guessed */

static void look_at_length(const struct config *config, const char *key, const char *secret) {
    char problem[160];
    if (!secret || strlen(secret) >= SECRET_MIN) return;
    snprintf(problem, sizeof problem, "%zu bytes can be guessed: %d or more, such as `openssl rand -hex 16` makes",
             strlen(secret), SECRET_MIN);
    tell(config, value_line(config->tree, key), key, problem);
}

static void look_at_lengths(const struct config *config) {
    for (size_t i = 0; i < config->api_keys.len; i++) look_at_length(config, "api_keys", config->api_keys.items[i]);
    look_at_length(config, "metrics.token", config->metrics.token);
    look_at_length(config, "redis.secret", config->redis.secret);
}

/* ---- secrets in a file that all may read */

/* A conninfo counts for the password in it. */
static bool is_secret_text(const struct key *key, const char *text) {
    if (strncmp(key->name, "postgres.", 9) != 0) return true;
    const char *user = strstr(text, "://"), *colon = user ? strchr(user + 3, ':') : NULL;
    return strstr(text, "password") || (colon && strchr(colon, '@'));
}

/* Is what the quote at start begins the NAME of env "NAME"? */
static bool is_asked_for(const char *file, const char *start) {
    while (start > file && strchr(" \t(", start[-1])) start--;
    return start - file >= 3 && memcmp(start - 3, "env", 3) == 0;
}

static bool is_literal(const char *file, const char *text) {
    size_t len = strlen(text);
    for (const char *at = file; len >= LITERAL_MIN && (at = strstr(at, text)); at++) {
        char before = at > file ? at[-1] : '\0', after = at[len];
        bool is_quoted = (before && strchr("\"'", before) && after == before) || (before == '[' && after == ']');
        if (is_quoted && !is_asked_for(file, at - 1)) return true;
    }
    return false;
}

static bool stands_in(const struct key *key, const struct value *value, const char *file) {
    if (value->type == VALUE_TEXT) return is_secret_text(key, value->text) && is_literal(file, value->text);
    for (const struct value *child = value->first; child; child = child->next)
        if (stands_in(key, child, file)) return true;
    return false;
}

static void look_at_secrets(const struct config *config) {
    struct buffer text = {0};
    if (file_is_world_readable(config->file) && file_read(config->file, &text, NULL)) {
        buffer_append_char(&text, '\0');
        for (size_t i = 0; i < keys_len; i++) {
            const struct key *key = &keys[i];
            const struct value *value = key->secret ? value_find(config->tree, key->name) : NULL;
            if (value && stands_in(key, value, text.ptr))
                LOG_ALWAYS(LOG_WARNING, "config.secret_readable", LOG_TEXT("file", config->file),
                           LOG_TEXT("key", key->name), LOG_TEXT("advice", "chmod o-r, or env \"NAME\""));
        }
    }
    if (text.ptr) explicit_bzero(text.ptr, text.len);
    buffer_done(&text);
}

void doubts_tell(const struct config *config) {
    for (const struct doubt *doubt = config->doubts; doubt; doubt = doubt->next)
        tell(config, doubt->line, doubt->key, doubt->problem);
    look_at_folder(config);
    look_at_mode(config);
    look_at_lengths(config);
    look_at_secrets(config);
}
