/* SPDX-License-Identifier: Apache-2.0 */
#include "config/sources.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/map.h"
#include "config/check.h"
#include "config/file.h"
#include "config/value.h"

struct source {
    char *path;
    struct buffer text;
};

static void source_free(struct source *source) {
    buffer_done(&source->text);
    free(source->path);
    free(source);
}

static bool add(struct map *sources, const char *path, struct error *error_r) {
    if (map_find(sources, slice_of(path))) return true;
    if (map_size(sources) >= SOURCES_MAX) {
        error_set(error_r, "more than %d files", SOURCES_MAX);
        return false;
    }
    struct source *source = NEW(struct source);
    if (!file_read_script(path, &source->text, error_r)) {
        source_free(source);
        return false;
    }
    source->path = memory_copy(path, strlen(path));
    map_put(sources, slice_of(source->path), source);
    return true;
}

/* Files in a script's folder may or may not be required, so an unreadable one is not an error here. */
static void add_beside(struct map *sources, const char *script) {
    const char *slash = strrchr(script, '/');
    char *folder = memory_copy(script, slash == script ? 1 : (size_t)(slash - script));
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || len < 5 || strcmp(entry->d_name + len - 4, ".lua") != 0) continue;
        char *path = file_resolve(folder, entry->d_name);
        bool added = add(sources, path, NULL);
        (void)added;
        free(path);
    }
    if (entries) closedir(entries);
    free(folder);
}

bool sources_read(struct config *config, const struct value *scripts, struct error *error_r) {
    config->sources = map_new();
    for (const struct value *script = scripts->first; script; script = script->next) {
        struct error error;
        if (!add(config->sources, script->text, &error)) {
            check_complain(error_r, config->file, script->line ? script->line : scripts->line, "scripts", "%s: %s",
                           script->text, error.text);
            return false;
        }
    }
    for (const struct value *script = scripts->first; script; script = script->next)
        add_beside(config->sources, script->text);
    return true;
}

void sources_free(struct map **sources) {
    if (!*sources) return;
    size_t cursor = 0;
    for (struct source *source; (source = map_next(*sources, &cursor));) {
        map_remove(*sources, slice_of(source->path));
        source_free(source);
    }
    map_free(sources);
}

uint64_t sources_hash(const struct map *sources) {
    size_t cursor = 0;
    uint64_t sum = 0;
    for (const struct source *source; (source = map_next(sources, &cursor));) {
        uint64_t path = hash_fixed(slice_of(source->path));
        sum ^= hash_keyed(path, path, buffer_slice(&source->text));
    }
    return sum;
}

struct slice sources_find(const struct map *sources, const char *path) {
    const struct source *source = map_find(sources, slice_of(path));
    if (!source) return SLICE_NONE;
    return source->text.ptr ? buffer_slice(&source->text) : SLICE("");
}
