/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.h - latencies in buckets whose width is 1/128 of their value (high dynamic range): any quantile is right
 * within 0.8 %, however long the run. Fixed size and no pointers, so that it fits in shared memory. */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 7,
    HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS,
    HISTOGRAM_VALUE_BITS = 40, /* 18 minutes in ns; longer values count as that */
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS,
};

struct histogram {
    uint64_t count, max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value_ns);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The quantile `share` (0 to 1) of the values, in ns, rounded up to the end of its bucket; 0 if it is empty. */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double share);

#endif
