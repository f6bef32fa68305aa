/* SPDX-License-Identifier: Apache-2.0 */
/* swapped_sends.h - in test builds, a planted fault: swaps two consecutive appends of one sender. */
#ifndef STORE_SWAPPED_SENDS_H
#define STORE_SWAPPED_SENDS_H

struct loop;
struct store;

#ifdef STOA_FAULTS
/* Active from now on, if the fault "swap_sends" is planted. The loop must outlive the store. */
void swapped_sends_plant(struct loop *loop, struct store *store);
#else
#define swapped_sends_plant(loop, store) ((void)0)
#endif

#endif
