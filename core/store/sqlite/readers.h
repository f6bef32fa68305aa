/* SPDX-License-Identifier: Apache-2.0 */
/* readers.h - all threads of this process that read the database, so that the writer can ask them to pause.
 *
 * The database's WAL can be reset only while nobody reads it. Busy readers never leave such a moment by themselves.
 * This unit does not know what they read.
 */
#ifndef STORE_SQLITE_READERS_H
#define STORE_SQLITE_READERS_H

#include <stdbool.h>

#include "base/memory.h"

struct sqlite_readers;

struct sqlite_readers *sqlite_readers_new(void);
/* Counted: a stuck reader outlives the store. */
struct sqlite_readers *sqlite_readers_ref(struct sqlite_readers *readers);
void sqlite_readers_unref(struct sqlite_readers **readers);

/* Call around each read; reads must be short. Waits during a pause. */
void sqlite_readers_enter(struct sqlite_readers *readers);
void sqlite_readers_leave(struct sqlite_readers *readers);

/* Waits for current reads to end and blocks new ones until sqlite_readers_resume. False: a read takes longer than
 * deadline_ms, and there is no pause.
 */
bool sqlite_readers_pause(struct sqlite_readers *readers, unsigned deadline_ms) MUST_CHECK;
void sqlite_readers_resume(struct sqlite_readers *readers);

#endif
