/* metrics.h - the registry of counters and gauges, rendered in the Prometheus text format 0.0.4.
 *
 * A metric is a row of metrics_table.h. A label's values come from code, never from a peer (no channel ids, no
 * addresses): cardinality is bounded by construction. Processes that share the registry each count in a place of their
 * own; what is rendered is the sum (of the generation, the highest).
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include <stdint.h>

#include "base/buffer.h"

/* name, TYPE, label or NULL, help */
#define METRICS_TABLE(ROW)                                                                                 \
    ROW(CONNECTIONS, "stoa_connections", "gauge", NULL, "Open transport connections.")                     \
    ROW(SESSIONS, "stoa_sessions", "gauge", NULL, "Open Engine.IO and plain sessions.")                    \
    ROW(ACCEPTED, "stoa_accepted_total", "counter", NULL, "Connections accepted.")                         \
    ROW(REJECTED, "stoa_rejected_total", "counter", "reason", "Input or connections refused.")             \
    ROW(CLOSED, "stoa_closed_total", "counter", "reason", "Sessions ended, by reason.")                    \
    ROW(EVENTS, "stoa_events_total", "counter", NULL, "Client events dispatched.")                         \
    ROW(DELIVERIES, "stoa_deliveries_total", "counter", NULL, "Packets queued for clients by fan-out.")    \
    ROW(WRITES, "stoa_writes_total", "counter", NULL, "Writes to client sockets.")                         \
    ROW(DROPPED, "stoa_dropped_total", "counter", "class", "Packets shed for slow clients.")               \
    ROW(APPENDED, "stoa_appended_total", "counter", NULL, "Events committed to channel logs.")             \
    ROW(APPEND_BATCHES, "stoa_append_batches_total", "counter", NULL, "Commits of the log.")               \
    ROW(STORE_READS, "stoa_store_reads_total", "counter", "from", "Reads of channels, by who answered.")   \
    ROW(STORE_ERRORS, "stoa_store_errors_total", "counter", "code", "Store requests that failed.")         \
    ROW(RECOVERED, "stoa_recoveries_total", "counter", "result", "Connection state recoveries.")           \
    ROW(LIMITED, "stoa_limited_total", "counter", "limit", "Refusals by a rate limit.")                    \
    ROW(CACHE, "stoa_cache_total", "counter", "result", "Cache look-ups.")                                 \
    ROW(SCRIPT_ERRORS, "stoa_script_errors_total", "counter", "kind", "Errors raised by scripts.")         \
    ROW(GENERATION, "stoa_generation", "gauge", NULL, "Generation of configuration and scripts in force.") \
    ROW(RELOADS, "stoa_reloads_total", "counter", "result", "Reloads, by result.")                         \
    ROW(LOG_DROPPED, "stoa_log_dropped_total", "counter", NULL, "Log lines lost.")                         \
    ROW(STALE, "stoa_stale_completions_total", "counter", NULL, "Completions whose asker was gone.")

enum metric {
#define METRIC(id, name, type, label, help) METRIC_##id,
#include "base/metrics_table.h"
#undef METRIC
    METRIC_COUNT
};

void metric_add(enum metric metric, int64_t n);
void metric_set(enum metric metric, int64_t value);
/* For metrics with a label; value (63 bytes of it) is copied on first use; past 64 values all others are counted as
 * "other". */
void metric_add_labelled(enum metric metric, const char *value, int64_t n);
/* Of this process. Of a metric with a label, NULL gives the sum. */
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
