/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - the registry of counters, gauges and histograms, rendered in the Prometheus text format 0.0.4.
 *
 * A metric is a row of metrics_table.h. A label's values come from code, never from a peer (no channel ids, no
 * addresses): cardinality is bounded by construction. Processes that share the registry each count in their own place;
 * the page shows the sum (for a level, the highest).
 *
 * Only the loop's thread may call these functions; SQLite's threads pass their counts to it with their results
 * (sqlite/threads.h). Exception: any thread may call metric_add_atomic.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

#include "base/buffer.h"

enum metric {
#define METRIC(id, name, type, label, help) METRIC_##id,
#include "base/metrics_table.h"
#undef METRIC
    METRIC_COUNT
};

void metric_add(enum metric metric, int64_t n);
/* For a metric that no other function changes. */
void metric_add_atomic(enum metric metric, int64_t n);
void metric_set(enum metric metric, int64_t value);
/* For histograms. Recorded in steps of 1/8 octave, from 1 µs to 67 s; rendered in seconds, in 14 buckets. */
void metric_observe_us(enum metric metric, uint64_t us);
/* For metrics with a label; the first 63 bytes of value are copied on first use; after 64 values, new ones count as
 * "other". */
void metric_add_labelled(enum metric metric, const char *value, int64_t n);
void metric_set_labelled(enum metric metric, const char *value, int64_t n);
/* This process's value. value NULL for a metric with a label: the sum. Histogram: the number of observations. */
int64_t metric_get(enum metric metric, const char *label_value_or_null);
/* A script's own counter or gauge: name is validated ([a-z_][a-z0-9_]*), prefixed "stoa_script_"; at most 256. */
bool metric_script(const char *name, bool gauge, double n);
/* The value over all processes, for metrics without a label. */
int64_t metric_total(enum metric metric);

/* Call before forking the processes that share the registry; this process keeps place 0. */
void metrics_share(unsigned processes);
/* Call in the new process: it continues the counters of the place's previous process. */
void metrics_take_place(unsigned place);
/* Call when the place's process has ended: sets its gauges to 0. */
void metrics_left(unsigned place);

void metrics_render(struct buffer *out);

#endif
