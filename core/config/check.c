/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/file.h"
#include "config/value.h"

void check_complain(struct error *error_r, const char *file, unsigned line, const char *key, const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (line > 0)
        error_set(error_r, "%s:%u: %s: %s", file, line, key, text);
    else
        error_set(error_r, "%s: %s: %s", file, key, text);
}

/* What is at hand while one value is checked. */
struct check {
    struct config *config;
    const char *folder;
    const struct key *key;
    unsigned line; /* of the key, for items without one */
    struct error *error_r;
};

#define COMPLAIN(check, value, ...)                                                                         \
    (check_complain((check)->error_r, (check)->config->file, (value)->line ? (value)->line : (check)->line, \
                    (check)->key->name, __VA_ARGS__),                                                       \
     false)

static void *field(const struct check *check) {
    return (char *)check->config + check->key->offset;
}

static bool is_integer(const struct value *value) {
    return value->type == VALUE_NUMBER && value->number == floor(value->number) && fabs(value->number) < 1e15;
}

static bool is_word(const char *words, const char *text) {
    size_t len = strlen(text);
    for (const char *at = words; len > 0 && (at = strstr(at, text)); at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0')) return true;
    return false;
}

static bool check_flag(struct check *check, struct value *value) {
    if (value->type != VALUE_BOOLEAN) return COMPLAIN(check, value, "must be true or false");
    *(bool *)field(check) = value->boolean;
    return true;
}

static bool check_integer(struct check *check, struct value *value) {
    const struct key *key = check->key;
    int64_t *number = field(check);
    bool off = key->type == KEY_LIMIT ? value->type == VALUE_BOOLEAN && !value->boolean
                                      : key->words && value->type == VALUE_TEXT && is_word(key->words, value->text);
    if (off) {
        *number = key->words ? key->min - 1 : 0;
        return true;
    }
    if (!is_integer(value))
        return COMPLAIN(check, value, "must be an integer from %lld to %lld%s%s", (long long)key->min,
                        (long long)key->max, key->words ? " or " : "",
                        key->type == KEY_LIMIT ? ", or false"
                        : key->words           ? key->words
                                               : "");
    *number = (int64_t)value->number;
    if (*number < key->min) return COMPLAIN(check, value, "%.0f is below %lld", value->number, (long long)key->min);
    if (*number > key->max) return COMPLAIN(check, value, "%.0f is above %lld", value->number, (long long)key->max);
    return true;
}

static bool check_rate(struct check *check, struct value *value) {
    struct config_rate *rate = field(check);
    *rate = (struct config_rate){0};
    if (value->type == VALUE_BOOLEAN && !value->boolean) return true;
    struct value *count = value->type == VALUE_TABLE ? value->first : NULL, *period = count ? count->next : NULL;
    if (!period || period->next || count->key || period->key || !is_integer(count) || !is_integer(period))
        return COMPLAIN(check, value, "must be {count, seconds} or false");
    if (count->number < 1 || count->number > 1e9)
        return COMPLAIN(check, value, "the count must be from 1 to 1000000000");
    if (period->number < 1 || period->number > 86400)
        return COMPLAIN(check, value, "the period must be from 1 to 86400 seconds");
    *rate = (struct config_rate){(int64_t)count->number, (int64_t)period->number};
    return true;
}

/* "" (none) and ":memory:" stand for themselves. */
static bool is_file_name(const char *text) {
    return text[0] && text[0] != ':';
}

/* A text that may also be false, because its default is. */
static bool is_off(const struct key *key, const struct value *value) {
    return key->fallback && strcmp(key->fallback, "false") == 0 && value->type == VALUE_BOOLEAN && !value->boolean;
}

/* Resolves the path that begins at this offset in the text: the only place that makes paths of the file absolute. */
static void resolve(const struct check *check, struct value *value, size_t prefix_len) {
    if (!is_file_name(value->text + prefix_len)) return;
    char *path = file_resolve(check->folder, value->text + prefix_len);
    struct buffer text = {0};
    buffer_append(&text, value->text, prefix_len);
    buffer_append(&text, path, strlen(path) + 1);
    free(path);
    free(value->text);
    value->text = buffer_take(&text, NULL);
}

static bool check_text(struct check *check, struct value *value) {
    const struct key *key = check->key;
    if (value->type != VALUE_TEXT) return COMPLAIN(check, value, "must be a text");
    if (key->words && !is_word(key->words, value->text))
        return COMPLAIN(check, value, "\"%s\" is none of: %s", value->text, key->words);
    if (key->type == KEY_PATH || key->type == KEY_PATHS) resolve(check, value, 0);
    if (key->type == KEY_SEVERAL && strncmp(value->text, "unix:", 5) == 0) resolve(check, value, 5);
    return true;
}

static size_t value_len(const struct value *list) {
    size_t len = 0;
    for (const struct value *item = list->first; item; item = item->next) len++;
    return len;
}

static bool check_texts(struct check *check, struct value *value) {
    bool several = check->key->type == KEY_SEVERAL, one = several && value->type == VALUE_TEXT;
    if (!one && value->type != VALUE_TABLE)
        return COMPLAIN(check, value, "must be %sa list of texts", several ? "a text or " : "");
    struct config_texts *texts = field(check);
    size_t len = one ? 1 : value_len(value);
    free(texts->items);
    *texts = (struct config_texts){NEW_ARRAY(const char *, len + 1), len};
    if (one && !check_text(check, value)) return false;
    if (one) texts->items[0] = value->text;
    if (one) return true;
    len = 0;
    for (struct value *item = value->first; item; item = item->next) {
        if (item->key) return COMPLAIN(check, item, "must be a list, without names (\"%s\")", item->key);
        if (!check_text(check, item)) return false;
        texts->items[len++] = item->text;
    }
    return true;
}

static bool check_conninfo(struct check *check, const struct value *value) {
    return (value->type == VALUE_TEXT && value->text[0]) || COMPLAIN(check, value, "must be a conninfo text");
}

static bool check_purposes(struct check *check, const struct value *list, struct config_texts *purposes) {
    static const char words[] = "history sync disaster_recovery";
    if (list->type != VALUE_TABLE) return COMPLAIN(check, list, "purposes must be a list of: %s", words);
    purposes->items = NEW_ARRAY(const char *, value_len(list) + 1);
    for (const struct value *item = list->first; item; item = item->next) {
        if (item->key || item->type != VALUE_TEXT)
            return COMPLAIN(check, item, "purposes must be a list of: %s", words);
        if (!is_word(words, item->text))
            return COMPLAIN(check, item, "purpose \"%s\" is none of: %s", item->text, words);
        purposes->items[purposes->len++] = item->text;
    }
    return true;
}

static bool check_replica(struct check *check, const struct value *value, struct config_replica *replica) {
    replica->conninfo = value->type == VALUE_TEXT ? value->text : NULL;
    if (value->type != VALUE_TABLE) return check_conninfo(check, value);
    for (const struct value *field = value->first; field; field = field->next) {
        bool is_conninfo = field->key && strcmp(field->key, "conninfo") == 0;
        if (!is_conninfo && !(field->key && strcmp(field->key, "purposes") == 0))
            return COMPLAIN(check, field, "a replica has conninfo and purposes, not \"%s\"",
                            field->key ? field->key : "");
        if (is_conninfo ? !check_conninfo(check, field) : !check_purposes(check, field, &replica->purposes))
            return false;
        if (is_conninfo) replica->conninfo = field->text;
    }
    return replica->conninfo || COMPLAIN(check, value, "a replica needs conninfo");
}

static bool check_replicas(struct check *check, const struct value *list, struct config_shard *shard) {
    if (list->type != VALUE_TABLE) return COMPLAIN(check, list, "read must be a list of replicas");
    shard->read = NEW_ARRAY(struct config_replica, value_len(list) + 1);
    for (const struct value *item = list->first; item; item = item->next) {
        if (item->key) return COMPLAIN(check, item, "read must be a list of replicas");
        if (!check_replica(check, item, &shard->read[shard->read_len++])) return false;
    }
    return true;
}

static bool check_shard(struct check *check, const struct value *value, struct config_shard *shard) {
    if (value->key || value->type != VALUE_TABLE)
        return COMPLAIN(check, value, "must be a list of { write = CONNINFO, read = { CONNINFO, … } }");
    for (const struct value *field = value->first; field; field = field->next) {
        bool is_write = field->key && strcmp(field->key, "write") == 0;
        if (!is_write && !(field->key && strcmp(field->key, "read") == 0))
            return COMPLAIN(check, field, "a shard has write and read, not \"%s\"", field->key ? field->key : "");
        if (is_write ? !check_conninfo(check, field) : !check_replicas(check, field, shard)) return false;
        if (is_write) shard->write = field->text;
    }
    return shard->write || COMPLAIN(check, value, "a shard needs write");
}

static bool check_shards(struct check *check, struct value *value) {
    struct config_shards *shards = field(check);
    if (value->type != VALUE_TABLE) return COMPLAIN(check, value, "must be a list");
    shards->len = value_len(value);
    shards->items = NEW_ARRAY(struct config_shard, shards->len + 1);
    size_t len = 0;
    for (const struct value *item = value->first; item; item = item->next)
        if (!check_shard(check, item, &shards->items[len++])) return false;
    return true;
}

void check_free_shards(struct config_shards *shards) {
    for (size_t i = 0; i < shards->len; i++) {
        struct config_shard *shard = &shards->items[i];
        for (size_t j = 0; j < shard->read_len; j++) free(shard->read[j].purposes.items);
        free(shard->read);
    }
    free(shards->items);
    *shards = (struct config_shards){0};
}

bool check_key(struct config *config, const char *folder, const struct key *key, struct value *value,
               struct error *error_r) {
    struct check check = {config, folder, key, value->line, error_r};
    switch (key->type) {
        case KEY_FLAG:
            return check_flag(&check, value);
        case KEY_INTEGER:
        case KEY_LIMIT:
            return check_integer(&check, value);
        case KEY_RATE:
            return check_rate(&check, value);
        case KEY_TEXT:
        case KEY_PATH:
            if (is_off(key, value)) {
                *(const char **)field(&check) = NULL;
                return true;
            }
            if (!check_text(&check, value)) return false;
            *(const char **)field(&check) = value->text;
            return true;
        case KEY_TEXTS:
        case KEY_PATHS:
        case KEY_SEVERAL:
            return check_texts(&check, value);
        case KEY_SHARDS:
            return check_shards(&check, value);
        case KEY_OPEN:
            return value->type == VALUE_TABLE || COMPLAIN(&check, value, "must be a table");
        case KEY_ABSENT:
            return COMPLAIN(&check, value, "needs %s: not in this build", key->doc);
    }
    return false;
}

static void add_number(struct value *table, double number) {
    struct value *item = value_new(VALUE_NUMBER, NULL);
    item->number = number;
    value_add(table, &item);
}

static void add_words(struct value *table, const char *words) {
    for (size_t len; *words; words += len + (words[len] == ' ')) {
        len = strcspn(words, " ");
        struct value *item = value_new(VALUE_TEXT, NULL);
        item->text = memory_copy(words, len);
        value_add(table, &item);
    }
}

static struct value *fallback_rate(const char *text) {
    struct value *value = value_new(VALUE_TABLE, NULL);
    char *slash;
    add_number(value, (double)strtoll(text, &slash, 10));
    add_number(value, (double)strtoll(slash + 1, NULL, 10));
    return value;
}

static struct value *text_value(const char *text) {
    struct value *value = value_new(VALUE_TEXT, NULL);
    value->text = memory_copy(text, strlen(text));
    return value;
}

struct value *check_fallback(const struct key *key) {
    const char *text = key->fallback;
    if (key->type == KEY_OPEN) return value_new(VALUE_TABLE, NULL);
    if (!text) return NULL;
    if (key->type == KEY_FLAG || strcmp(text, "false") == 0) {
        struct value *value = value_new(VALUE_BOOLEAN, NULL);
        value->boolean = strcmp(text, "true") == 0;
        return value;
    }
    struct value *value;
    switch (key->type) {
        case KEY_RATE:
            return fallback_rate(text);
        case KEY_TEXTS:
        case KEY_PATHS:
        case KEY_SHARDS:
            value = value_new(VALUE_TABLE, NULL);
            add_words(value, text);
            return value;
        case KEY_INTEGER:
        case KEY_LIMIT:
            if (key->words && is_word(key->words, text)) return text_value(text);
            value = value_new(VALUE_NUMBER, NULL);
            value->number = (double)strtoll(text, NULL, 10);
            return value;
        default:
            return text_value(text);
    }
}
