/* SPDX-License-Identifier: Apache-2.0 */
/* trim.h - returns memory to the system after a peak: the allocator keeps freed memory unless it lies at the heap's
 * end. */
#ifndef WORKER_TRIM_H
#define WORKER_TRIM_H

struct loop;
struct trim;

/* Checks every ten seconds. */
struct trim *trim_new(struct loop *loop);
void trim_free(struct trim **trim);

#endif
