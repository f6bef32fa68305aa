/* SPDX-License-Identifier: Apache-2.0 */
/* known_heads.h - the heads of the channels that were appended to of late. The SQLite writer's alone.
 *
 * What a transaction appends is staged: its own appends go on from there, and it becomes known when it has been
 * committed, or is forgotten with it. */
#ifndef STORE_SQLITE_KNOWN_HEADS_H
#define STORE_SQLITE_KNOWN_HEADS_H

#include <stdint.h>

#include "base/slice.h"

struct known_heads;

struct known_heads *known_heads_new(void);
void known_heads_free(struct known_heads **heads);
/* -1: not known. */
int64_t known_heads_find(const struct known_heads *heads, struct slice channel_id);
/* The append that made it will be in the transaction at hand, if that is committed. */
void known_heads_stage(struct known_heads *heads, struct slice channel_id, int64_t seq);
/* The transaction has been committed. */
void known_heads_publish(struct known_heads *heads);
/* It has been rolled back, or its outcome is not known: all is read anew. */
void known_heads_forget(struct known_heads *heads);

#endif
