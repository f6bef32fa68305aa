/* SPDX-License-Identifier: Apache-2.0 */
/* doubts.h - what is no mistake, and most probably not meant either: a start, a reload and `stoa check` say it. */
#ifndef CONFIG_DOUBTS_H
#define CONFIG_DOUBTS_H

#include "base/error.h"

struct config;
struct doubt;

/* One that only whoever reads the file sees. Before others have the configuration. */
void doubts_add(struct config *config, unsigned line, const char *key, const char *format, ...) PRINTF_LIKE(4, 5);
/* Logs those, and what the values show: a folder that is not there, a key that can be guessed, a secret that all may
 * read. */
void doubts_tell(const struct config *config);
/* For config.c. */
void doubts_free(struct doubt **doubts);

#endif
