/* SPDX-License-Identifier: Apache-2.0 */
/* sources.h - the scripts' texts, read together with the configuration. For config/ alone. */
#ifndef CONFIG_SOURCES_H
#define CONFIG_SOURCES_H

#include "config/config.h"

struct map;

enum { SOURCES_MAX = 256 };

/* Of each script in the list, and of all *.lua beside them. scripts: the key's value, for its lines. */
bool sources_read(struct config *config, const struct value *scripts, struct error *error_r) MUST_CHECK;
void sources_free(struct map **sources);
/* Of all paths and texts, in whatever order the map has them. */
uint64_t sources_hash(const struct map *sources);
struct slice sources_find(const struct map *sources, const char *path);

#endif
