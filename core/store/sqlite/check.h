/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - reads a whole store once after each start, beside those who use it, and says what is damaged.
 *
 * A start itself looks at a bounded part of the file. What is damaged elsewhere is found when it is read (each text has
 * a checksum), or here: in slices, with long rests between them, by a thread of low priority. */
#ifndef STORE_SQLITE_CHECK_H
#define STORE_SQLITE_CHECK_H

#include <stdbool.h>

struct sqlite_check;
struct sqlite_readers;

/* Begins soon. It is one of the readers, a slice at a time. */
struct sqlite_check *sqlite_check_new(const char *path, struct sqlite_readers *readers);
/* By now. */
bool sqlite_check_found_damage(const struct sqlite_check *check);
/* Ends it, after the slice at hand. False: that takes longer; it ends by itself, or with the process. */
bool sqlite_check_free(struct sqlite_check **check, unsigned deadline_ms);

#endif
