/* SPDX-License-Identifier: Apache-2.0 */
/* readers.h - all threads of this process that read the database, so that the writer can ask them for a pause.
 *
 * The log of the database begins anew at a moment at which nobody reads from it. Readers that are never idle leave no
 * such moment by themselves. It knows nothing of what they read.
 */
#ifndef STORE_SQLITE_READERS_H
#define STORE_SQLITE_READERS_H

#include <stdbool.h>

#include "base/memory.h"

struct sqlite_readers;

struct sqlite_readers *sqlite_readers_new(void);
/* Counted: a reader that is stuck outlives the store. */
struct sqlite_readers *sqlite_readers_ref(struct sqlite_readers *readers);
void sqlite_readers_unref(struct sqlite_readers **readers);

/* Around each read, which is short. Waits while there is a pause. */
void sqlite_readers_enter(struct sqlite_readers *readers);
void sqlite_readers_leave(struct sqlite_readers *readers);

/* The reads at hand end, and none begins until sqlite_readers_resume. False: one takes longer, and there is no pause.
 */
bool sqlite_readers_pause(struct sqlite_readers *readers, unsigned deadline_ms) MUST_CHECK;
void sqlite_readers_resume(struct sqlite_readers *readers);

#endif
