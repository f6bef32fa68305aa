/* SPDX-License-Identifier: Apache-2.0 */
/* known_heads.h - caches the heads of channels with recent appends. Used only by the SQLite writer.
 *
 * Heads set in a transaction are staged: its own later appends see them. A commit publishes them; a rollback discards
 * them. */
#ifndef STORE_SQLITE_KNOWN_HEADS_H
#define STORE_SQLITE_KNOWN_HEADS_H

#include <stdint.h>

#include "base/slice.h"

struct known_heads;

struct known_heads *known_heads_new(void);
void known_heads_free(struct known_heads **heads);
/* -1: unknown. */
int64_t known_heads_find(const struct known_heads *heads, struct slice channel_id);
/* Sets the head for the current transaction. */
void known_heads_stage(struct known_heads *heads, struct slice channel_id, int64_t seq);
/* Call when the transaction has been committed. */
void known_heads_publish(struct known_heads *heads);
/* Call after a rollback, or when the outcome is unknown: clears everything, so that heads are read again. */
void known_heads_forget(struct known_heads *heads);

#endif
