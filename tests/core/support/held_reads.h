/* SPDX-License-Identifier: Apache-2.0 */
/* held_reads.h - holds the SQLite store's reader thread in the middle of a read, for tests.
 *
 * A held read has finished except for its end: its snapshot of the database is still in use.
 */
#ifndef TESTS_HELD_READS_H
#define TESTS_HELD_READS_H

#include <stdbool.h>

/* Call once, before any store is opened. */
void held_reads_init(void);
/* Holds each read until held_reads_end, at most most_ms. */
void held_reads_begin(unsigned most_ms);
/* Holds each read until the next write begins; that write waits until the read after it is held. So at each commit,
 * and whenever the writer is idle, a read is in progress that is not older than the previous write. */
void held_reads_overlap(unsigned most_ms);
void held_reads_end(void);
/* Waits until a read is held. */
void held_reads_wait(void);

#endif
