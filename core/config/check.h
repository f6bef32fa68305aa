/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - checks one value against one key. For config/ only. */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/keys.h"

/* "FILE:LINE: KEY: …"; line 0 (from --set) is left out. */
void check_complain(struct error *error_r, const char *file, unsigned line, const char *key, const char *format, ...)
    PRINTF_LIKE(5, 6);
/* Checks the value, makes its paths absolute (folder: what they are relative to), and sets the key's field, which
 * borrows the value's text. */
bool check_key(struct config *config, const char *folder, const struct key *key, struct value *value,
               struct error *error_r) MUST_CHECK;
void check_free_shards(struct config_shards *shards);
/* The key's default as a value; NULL: it has none. */
struct value *check_fallback(const struct key *key);

#endif
