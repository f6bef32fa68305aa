/* SPDX-License-Identifier: Apache-2.0 */
/* doubts.h - settings that are valid but probably not intended: a start, a reload and `stoa check` warn of them. */
#ifndef CONFIG_DOUBTS_H
#define CONFIG_DOUBTS_H

#include "base/error.h"

struct config;
struct doubt;

/* Adds a warning that only the reader of the file can find. Call before the configuration is shared. */
void doubts_add(struct config *config, unsigned line, const char *key, const char *format, ...) PRINTF_LIKE(4, 5);
/* Logs these, and warnings found in the values: a missing folder, a guessable key, a world-readable secret. */
void doubts_tell(const struct config *config);
/* For config.c. */
void doubts_free(struct doubt **doubts);

#endif
