/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - the registry of counters, gauges and histograms, rendered in the Prometheus text format 0.0.4.
 *
 * A metric is a row of metrics_table.h. A label's values come from code, never from a peer (no channel ids, no
 * addresses): cardinality is bounded by construction. Processes that share the registry each count in a place of their
 * own; what is rendered is the sum (of a level, the highest).
 *
 * Only the loop's thread may call what stands here. The threads of SQLite hand their counts to it with what they have
 * done (sqlite/threads.h). Any thread may call metric_add_atomic.
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
/* For histograms. Recorded in steps of an eighth of an octave, from 1 µs to 67 s; rendered in seconds, in 14 buckets.
 */
void metric_observe_us(enum metric metric, uint64_t us);
/* For metrics with a label; value (63 bytes of it) is copied on first use; past 64 values all others are counted as
 * "other". */
void metric_add_labelled(enum metric metric, const char *value, int64_t n);
void metric_set_labelled(enum metric metric, const char *value, int64_t n);
/* Of this process. Of a metric with a label, NULL gives the sum; of a histogram, how often it was observed. */
int64_t metric_get(enum metric metric, const char *label_value_or_null);
/* A script's own counter or gauge: name is validated ([a-z_][a-z0-9_]*), prefixed "stoa_script_"; at most 256. */
bool metric_script(const char *name, bool gauge, double n);
/* Of all processes, for metrics without a label. */
int64_t metric_total(enum metric metric);

/* Before the fork of the processes that are to be counted together; this one keeps place 0. */
void metrics_share(unsigned processes);
/* In the new process: it goes on with the counters of whoever had the place before. */
void metrics_take_place(unsigned place);
/* Whoever had the place has ended: its gauges are 0. */
void metrics_left(unsigned place);

void metrics_render(struct buffer *out);

#endif
