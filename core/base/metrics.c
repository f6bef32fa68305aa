/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metrics.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/map.h"

enum { LABEL_VALUES_MAX = 64, LABEL_VALUE_MAX = 64, SCRIPT_METRICS_MAX = 256, SCRIPT_NAME_MAX = 64 };

static const struct {
    const char *name, *type, *label, *help;
} rows[METRIC_COUNT] = {
#define METRIC(id, name, type, label, help) {name, type, label, help},
#include "base/metrics_table.h"
#undef METRIC
};

struct labels {
    unsigned len; /* rows are complete before it counts them: others read along */
    struct {
        char value[LABEL_VALUE_MAX];
        int64_t n;
    } rows[LABEL_VALUES_MAX + 1]; /* one more: "other" */
};

/* Values from 0 to 7 µs have a step each; above, each octave has eight. */
enum { OCTAVE_STEPS = 8, OCTAVES = 24, STEPS = OCTAVE_STEPS * OCTAVES };

/* Its count of observations is the metric's. */
struct histogram {
    uint64_t sum_us;
    int64_t steps[STEPS];
};

/* The upper edges of what is rendered. */
static const struct {
    const char *seconds;
    uint64_t us;
} edges[] = {
    {"0.0005", 500},  {"0.001", 1000},  {"0.0025", 2500}, {"0.005", 5000},  {"0.01", 10000},
    {"0.025", 25000}, {"0.05", 50000},  {"0.1", 100000},  {"0.25", 250000}, {"0.5", 500000},
    {"1", 1000000},   {"2.5", 2500000}, {"5", 5000000},   {"10", 10000000},
};

struct script_metric {
    char name[SCRIPT_NAME_MAX + 1];
    bool gauge;
    double n;
};

/* What one process counts. */
struct registry {
    int64_t counts[METRIC_COUNT];
    struct labels by_label[METRIC_COUNT];
    struct histogram histograms[METRIC_COUNT];
    unsigned scripts_len;
    struct script_metric scripts[SCRIPT_METRICS_MAX];
};

/* The registries, one a place; of this process, which alone writes to it: own. */
static struct registry alone, *slots = &alone, *own = &alone;
static unsigned worker_slots_len = 1;
static struct map *script_metrics_by_name; /* in own */

static unsigned len_of(const unsigned *len) {
    return __atomic_load_n(len, __ATOMIC_ACQUIRE);
}

static void grow(unsigned *len) {
    __atomic_store_n(len, *len + 1, __ATOMIC_RELEASE);
}

void metrics_share(unsigned processes) {
    void *memory = mmap(NULL, processes * sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    slots = memory;
    worker_slots_len = processes;
    metrics_take_place(0);
    *own = alone;
}

void metrics_take_place(unsigned place) {
    assert(place < worker_slots_len);
    own = &slots[place];
    map_free(&script_metrics_by_name);
}

void metrics_left(unsigned place) {
    struct registry *left = &slots[place];
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (strcmp(rows[i].type, "gauge") != 0) continue;
        left->counts[i] = 0;
        for (unsigned j = 0; j < len_of(&left->by_label[i].len); j++) left->by_label[i].rows[j].n = 0;
    }
    for (unsigned i = 0; i < len_of(&left->scripts_len); i++)
        if (left->scripts[i].gauge) left->scripts[i].n = 0;
}

void metric_add(enum metric metric, int64_t n) {
    assert(!rows[metric].label);
    own->counts[metric] += n;
}

void metric_add_atomic(enum metric metric, int64_t n) {
    assert(!rows[metric].label);
    __atomic_fetch_add(&own->counts[metric], n, __ATOMIC_RELAXED);
}

/* Another thread or process may count meanwhile. */
static int64_t count_of(const struct registry *registry, enum metric metric) {
    return __atomic_load_n(&registry->counts[metric], __ATOMIC_RELAXED);
}

void metric_set(enum metric metric, int64_t value) {
    assert(!rows[metric].label);
    own->counts[metric] = value;
}

static unsigned step_of(uint64_t us) {
    if (us < OCTAVE_STEPS) return (unsigned)us;
    unsigned octave = 61 - (unsigned)__builtin_clzll(us); /* 1: from 8 µs */
    unsigned step = octave * OCTAVE_STEPS + (unsigned)(us >> (octave - 1)) % OCTAVE_STEPS;
    return step < STEPS ? step : STEPS - 1;
}

/* The first value beyond a step. */
static uint64_t step_end_us(unsigned step) {
    unsigned octave = step / OCTAVE_STEPS;
    if (octave == 0) return step + 1;
    return (uint64_t)(OCTAVE_STEPS + step % OCTAVE_STEPS + 1) << (octave - 1);
}

void metric_observe_us(enum metric metric, uint64_t us) {
    struct histogram *histogram = &own->histograms[metric];
    own->counts[metric]++;
    histogram->sum_us += us;
    histogram->steps[step_of(us)]++;
}

static unsigned find_label(const struct labels *labels, const char *value) {
    unsigned len = len_of(&labels->len), i = 0;
    while (i < len && strncmp(labels->rows[i].value, value, LABEL_VALUE_MAX - 1) != 0) i++;
    return i;
}

static int64_t *count_of_label(enum metric metric, const char *value) {
    assert(rows[metric].label);
    struct labels *labels = &own->by_label[metric];
    unsigned i = find_label(labels, value);
    if (i >= LABEL_VALUES_MAX) {
        value = "other";
        i = LABEL_VALUES_MAX;
    }
    if (i == labels->len) {
        snprintf(labels->rows[i].value, LABEL_VALUE_MAX, "%s", value);
        grow(&labels->len);
    }
    return &labels->rows[i].n;
}

void metric_add_labelled(enum metric metric, const char *value, int64_t n) {
    *count_of_label(metric, value) += n;
}

void metric_set_labelled(enum metric metric, const char *value, int64_t n) {
    *count_of_label(metric, value) = n;
}

int64_t metric_get(enum metric metric, const char *label_value_or_null) {
    const struct labels *labels = &own->by_label[metric];
    int64_t sum = count_of(own, metric);
    for (unsigned i = 0; i < labels->len; i++)
        if (!label_value_or_null || strcmp(labels->rows[i].value, label_value_or_null) == 0) sum += labels->rows[i].n;
    return sum;
}

/* Gauges that are levels: the value over all processes is the highest. */
static bool is_level(enum metric metric) {
    return metric == METRIC_GENERATION || metric == METRIC_FANOUT_WINDOW || metric == METRIC_APPEND_WINDOW ||
           metric == METRIC_BUS_DEGRADED;
}

static int64_t together(enum metric metric, int64_t total, int64_t n) {
    if (!is_level(metric)) return total + n;
    return n > total ? n : total;
}

int64_t metric_total(enum metric metric) {
    int64_t total = 0;
    for (unsigned place = 0; place < worker_slots_len; place++)
        total = together(metric, total, count_of(&slots[place], metric));
    return total;
}

static bool is_script_name(const char *name) {
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return len > 0 && len <= SCRIPT_NAME_MAX && name[len] == '\0' && !isdigit((unsigned char)name[0]);
}

static struct script_metric *find_script(struct registry *registry, const char *name) {
    for (unsigned i = 0; i < len_of(&registry->scripts_len); i++)
        if (strcmp(registry->scripts[i].name, name) == 0) return &registry->scripts[i];
    return NULL;
}

static struct script_metric *script_metric_for(const char *name, bool gauge) {
    if (!script_metrics_by_name) script_metrics_by_name = map_new();
    struct script_metric *metric = map_find(script_metrics_by_name, slice_of(name));
    if (metric) return metric;
    metric = find_script(own, name); /* of the process that had this place before */
    if (!metric && own->scripts_len == SCRIPT_METRICS_MAX) return NULL;
    if (!metric) {
        metric = &own->scripts[own->scripts_len];
        *metric = (struct script_metric){.gauge = gauge};
        snprintf(metric->name, sizeof metric->name, "%s", name);
        grow(&own->scripts_len);
    }
    map_put(script_metrics_by_name, slice_of(metric->name), metric);
    return metric;
}

bool metric_script(const char *name, bool gauge, double n) {
    if (!is_script_name(name) || !isfinite(n) || (!gauge && n < 0)) return false;
    struct script_metric *metric = script_metric_for(name, gauge);
    if (!metric || metric->gauge != gauge) return false;
    metric->n = gauge ? n : metric->n + n;
    return true;
}

static void append_escaped(struct buffer *out, const char *str) {
    for (; *str; str++) {
        if (*str == '\n') {
            buffer_append_str(out, "\\n");
            continue;
        }
        if (*str == '\\' || *str == '"') buffer_append_char(out, '\\');
        buffer_append_char(out, *str);
    }
}

static void render_label(struct buffer *out, enum metric metric, const char *value) {
    int64_t total = 0;
    for (unsigned place = 0; place < worker_slots_len; place++) {
        const struct labels *labels = &slots[place].by_label[metric];
        unsigned i = find_label(labels, value);
        if (i < len_of(&labels->len)) total = together(metric, total, labels->rows[i].n);
    }
    buffer_printf(out, "%s{%s=\"", rows[metric].name, rows[metric].label);
    append_escaped(out, value);
    buffer_printf(out, "\"} %lld\n", (long long)total);
}

static bool label_seen_before(enum metric metric, unsigned place, const char *value) {
    for (unsigned before = 0; before < place; before++) {
        const struct labels *labels = &slots[before].by_label[metric];
        if (find_label(labels, value) < len_of(&labels->len)) return true;
    }
    return false;
}

static void render_labels(struct buffer *out, enum metric metric) {
    for (unsigned place = 0; place < worker_slots_len; place++) {
        const struct labels *labels = &slots[place].by_label[metric];
        for (unsigned i = 0; i < len_of(&labels->len); i++)
            if (!label_seen_before(metric, place, labels->rows[i].value))
                render_label(out, metric, labels->rows[i].value);
    }
}

static void render_histogram(struct buffer *out, enum metric metric) {
    const char *name = rows[metric].name;
    int64_t steps[STEPS] = {0}, below = 0;
    uint64_t sum_us = 0;
    for (unsigned place = 0; place < worker_slots_len; place++) {
        const struct histogram *histogram = &slots[place].histograms[metric];
        sum_us += histogram->sum_us;
        for (unsigned i = 0; i < STEPS; i++) steps[i] += histogram->steps[i];
    }
    for (unsigned edge = 0, step = 0; edge < sizeof edges / sizeof *edges; edge++) {
        /* Values are whole: what ends by the edge's next one holds none beyond it. */
        for (; step < STEPS - 1 && step_end_us(step) <= edges[edge].us + 1; step++) below += steps[step];
        buffer_printf(out, "%s_bucket{le=\"%s\"} %lld\n", name, edges[edge].seconds, (long long)below);
    }
    int64_t all = 0;
    for (unsigned i = 0; i < STEPS; i++) all += steps[i];
    buffer_printf(out, "%s_bucket{le=\"+Inf\"} %lld\n%s_sum %llu.%06llu\n%s_count %lld\n", name, (long long)all, name,
                  (unsigned long long)sum_us / 1000000, (unsigned long long)sum_us % 1000000, name, (long long)all);
}

static void render_scripts(struct buffer *out, unsigned place) {
    for (unsigned i = 0; i < len_of(&slots[place].scripts_len); i++) {
        const struct script_metric *metric = &slots[place].scripts[i];
        double sum = 0;
        bool seen = false;
        for (unsigned other = 0; other < worker_slots_len; other++) {
            const struct script_metric *same = find_script(&slots[other], metric->name);
            seen |= same && other < place;
            if (same) sum += same->n;
        }
        if (seen) continue;
        buffer_printf(out, "# TYPE stoa_script_%s %s\nstoa_script_%s %.17g\n", metric->name,
                      metric->gauge ? "gauge" : "counter", metric->name, sum);
    }
}

void metrics_render(struct buffer *out) {
    for (int i = 0; i < METRIC_COUNT; i++) {
        enum metric metric = (enum metric)i;
        buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].help, rows[i].name, rows[i].type);
        if (strcmp(rows[i].type, "histogram") == 0)
            render_histogram(out, metric);
        else if (rows[i].label)
            render_labels(out, metric);
        else
            buffer_printf(out, "%s %lld\n", rows[i].name, (long long)metric_total(metric));
    }
    for (unsigned place = 0; place < worker_slots_len; place++) render_scripts(out, place);
}
