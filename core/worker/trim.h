/* SPDX-License-Identifier: Apache-2.0 */
/* trim.h - gives memory back to the system after a peak has passed: the allocator keeps what was freed, unless it lies
 * at the heap's end.
 */
#ifndef WORKER_TRIM_H
#define WORKER_TRIM_H

struct loop;
struct trim;

/* Looks every ten seconds. */
struct trim *trim_new(struct loop *loop);
void trim_free(struct trim **trim);

#endif
