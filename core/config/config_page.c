/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_page.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "config/keys.h"

static void write_words(struct buffer *out, const char *words, const char *between) {
    for (size_t len; *words; words += len + (words[len] == ' ')) {
        len = strcspn(words, " ");
        buffer_printf(out, "\"%.*s\"%s", (int)len, words, words[len] ? between : "");
    }
}

static const char *const types[] = {
    [KEY_FLAG] = "boolean",
    [KEY_INTEGER] = "integer",
    [KEY_LIMIT] = "integer or false",
    [KEY_RATE] = "rate",
    [KEY_TEXT] = "text",
    [KEY_PATH] = "path",
    [KEY_TEXTS] = "texts",
    [KEY_PATHS] = "list of paths",
    [KEY_SEVERAL] = "text or texts",
    [KEY_OPEN] = "table",
    [KEY_SHARDS] = "list of shards",
};
static const char *const whens[] = {"live", "new connections", "restart"};

static bool is_off(const struct key *key) {
    return key->fallback && strcmp(key->fallback, "false") == 0;
}

static void write_type(struct buffer *out, const struct key *key) {
    if (key->type == KEY_TEXT && key->words) {
        buffer_append_char(out, '`');
        write_words(out, key->words, "`, `");
        if (is_off(key)) buffer_append_str(out, "`, `false");
        buffer_append_char(out, '`');
        return;
    }
    buffer_append_str(out, types[key->type]);
    if (key->type == KEY_INTEGER || key->type == KEY_LIMIT)
        buffer_printf(out, ", %lld to %lld", (long long)key->min, (long long)key->max);
    if (key->words && key->type == KEY_INTEGER) buffer_printf(out, ", `\"%s\"`", key->words);
}

/* As it would be written in the file. */
static void write_fallback(struct buffer *out, const struct key *key) {
    const char *text = key->fallback;
    if (!text) {
        buffer_append_str(out, key->type == KEY_OPEN ? "`{}`" : "–");
        return;
    }
    buffer_append_char(out, '`');
    if (key->type == KEY_TEXTS || key->type == KEY_PATHS || key->type == KEY_SHARDS) {
        buffer_append_str(out, *text ? "{ " : "{");
        write_words(out, text, ", ");
        buffer_append_str(out, *text ? " }" : "}");
    } else if (key->type == KEY_RATE && !is_off(key)) {
        size_t count_len = strcspn(text, "/");
        buffer_printf(out, "{%.*s, %s}", (int)count_len, text, text + count_len + 1);
    } else if ((key->type == KEY_TEXT && !is_off(key)) || key->type == KEY_PATH || key->type == KEY_SEVERAL ||
               (key->words && strcmp(text, key->words) == 0)) {
        buffer_printf(out, "\"%s\"", text);
    } else {
        buffer_append_str(out, text);
    }
    buffer_append_char(out, '`');
}

void config_page_write(struct buffer *out) {
    buffer_append_str(
        out,
        "# Configuration\n\n"
        "The file is sandboxed Lua and ends in `return { key = value, … }`; `env \"NAME\"` reads the "
        "environment. Relative paths\nare relative to the file's own folder. A dotted key is a table in "
        "a table: `store.path` is `store = { path = … }`;\n`--set store.path=VALUE` sets it on the "
        "command line. A rate is `{count, seconds}` or `false`.\n\n"
        "When a change takes effect after `stoa reload`: *live*: at once; *new connections*: only for "
        "those; *restart*: only after a restart.\n\nThis page is made from the table of keys by `stoa keys`.\n\n"
        "| key | type | default | holds | |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < keys_len; i++) {
        const struct key *key = &keys[i];
        if (key->type == KEY_ABSENT) continue;
        buffer_printf(out, "| `%s` | ", key->name);
        write_type(out, key);
        buffer_append_str(out, " | ");
        write_fallback(out, key);
        buffer_printf(out, " | %s | %s%s |\n", whens[key->when], key->doc,
                      key->secret ? " Secret: better from `env`, or in a file that only the server may read." : "");
    }
}
