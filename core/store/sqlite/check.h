/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - reads the whole store once after each start, while it is in use, and reports damage.
 *
 * A start checks only a bounded part of the file. Damage elsewhere is found when it is read (each text has a
 * checksum), or here: a low-priority thread reads in slices with long pauses between them. */
#ifndef STORE_SQLITE_CHECK_H
#define STORE_SQLITE_CHECK_H

#include <stdbool.h>

struct sqlite_check;
struct sqlite_readers;

/* Begins soon. It counts as a reader during each slice. */
struct sqlite_check *sqlite_check_new(const char *path, struct sqlite_readers *readers);
/* So far. */
bool sqlite_check_found_damage(const struct sqlite_check *check);
/* Stops after the current slice. False: that takes longer; it ends by itself, or with the process. */
bool sqlite_check_free(struct sqlite_check **check, unsigned deadline_ms);

#endif
