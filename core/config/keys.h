/* SPDX-License-Identifier: Apache-2.0 */
/* keys.h - the table of configuration keys. For config/ alone. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include "config/config.h"

enum key_type {
    KEY_FLAG,    /* bool */
    KEY_INTEGER, /* int64_t; a word of words, if there are any, stands for 0 */
    KEY_LIMIT,   /* int64_t; false is 0 */
    KEY_RATE,    /* struct config_rate; {count, seconds} or false */
    KEY_TEXT,    /* const char *; with words: one of them */
    KEY_PATH,    /* const char *; relative to the file's folder */
    KEY_TEXTS,   /* struct config_texts; with words: all of them among these */
    KEY_PATHS,   /* struct config_texts */
    KEY_SEVERAL, /* struct config_texts; a text stands for a list of one; "unix:" is followed by a path */
    KEY_SHARDS,  /* struct config_shards; {{write = TEXT, read = {TEXT, …}}, …} */
    KEY_OPEN,    /* a table for scripts, which check its contents themselves */
    KEY_ABSENT   /* known, but this build cannot do it */
};

struct key {
    const char *name; /* dotted */
    enum key_type type;
    const char *fallback; /* lists: separated by spaces; rates: "30/60" or "false"; NULL: not set */
    int64_t min, max;     /* KEY_INTEGER, KEY_LIMIT */
    const char *words;    /* separated by spaces; NULL: any */
    enum config_when when;
    bool secret;
    size_t offset; /* in struct config; KEY_OPEN and KEY_ABSENT have no field */
    const char *doc;
};

extern const struct key keys[];
extern const size_t keys_len;

const struct key *key_find(const char *name);
/* Is name a table that holds keys ("store")? */
bool key_is_section(const char *name);
/* The key or section with the most similar name; NULL: none is similar. */
const char *key_nearest(const char *name);

#endif
