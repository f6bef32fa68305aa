/* SPDX-License-Identifier: Apache-2.0 */
/* held_reads.h - for tests of the SQLite store: its reader thread is held in the middle of a read.
 *
 * A held read has done all but end: its snapshot of the database is still in use.
 */
#ifndef TESTS_HELD_READS_H
#define TESTS_HELD_READS_H

#include <stdbool.h>

/* Once, before any store is opened. */
void held_reads_init(void);
/* Each read is held until held_reads_end, and not for longer than that. */
void held_reads_begin(unsigned most_ms);
/* Each is held until the next write begins, which waits until the read after it is held: at every commit, and when the
 * writer has time for something else, a read is under way that is not older than the write before. */
void held_reads_overlap(unsigned most_ms);
void held_reads_end(void);
/* Until one is held. */
void held_reads_wait(void);

#endif
