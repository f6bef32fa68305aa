/* SPDX-License-Identifier: Apache-2.0 */
#include "load/histogram.h"

/* Each value below HISTOGRAM_STEPS has its own bucket; above, each power of two has HISTOGRAM_STEPS buckets. */
static size_t bucket_of(uint64_t value) {
    if (value < HISTOGRAM_STEPS) return (size_t)value;
    if (value >> HISTOGRAM_VALUE_BITS) return HISTOGRAM_BUCKETS - 1;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return ((size_t)shift << HISTOGRAM_STEP_BITS) + (size_t)(value >> shift);
}

static uint64_t bucket_end(size_t bucket) {
    if (bucket < HISTOGRAM_STEPS) return bucket;
    unsigned shift = (unsigned)(bucket >> HISTOGRAM_STEP_BITS) - 1;
    return (((uint64_t)bucket - ((uint64_t)shift << HISTOGRAM_STEP_BITS) + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns) {
    histogram->buckets[bucket_of(value_ns)]++;
    histogram->count++;
    if (value_ns > histogram->max_ns) histogram->max_ns = value_ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from) {
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) into->buckets[i] += from->buckets[i];
    into->count += from->count;
    if (from->max_ns > into->max_ns) into->max_ns = from->max_ns;
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double share) {
    uint64_t wanted = (uint64_t)(share * (double)histogram->count + 0.5), seen = 0;
    if (wanted == 0) wanted = 1;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen < wanted) continue;
        uint64_t end = bucket_end(i);
        return end < histogram->max_ns ? end : histogram->max_ns;
    }
    return histogram->max_ns;
}
