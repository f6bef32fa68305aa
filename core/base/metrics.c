#include "base/metrics.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "base/map.h"

enum { LABEL_VALUES_MAX = 64, SCRIPT_METRICS_MAX = 256, SCRIPT_NAME_MAX = 64 };

static const struct {
    const char *name, *type, *label, *help;
} rows[METRIC_COUNT] = {
#define METRICS_ROW(id, name, type, label, help) {name, type, label, help},
    METRICS_TABLE(METRICS_ROW)
#undef METRICS_ROW
};

struct labelled {
    char *value;
    int64_t n;
};

struct script_metric {
    char *name;
    bool gauge;
    double n;
};

/* The registry. One more place than label values: "other". */
static int64_t counts[METRIC_COUNT];
static struct labelled by_label[METRIC_COUNT][LABEL_VALUES_MAX + 1];
static struct script_metric script_metrics[SCRIPT_METRICS_MAX];
static size_t script_metric_count;
static struct map *script_metrics_by_name;

void metric_add(enum metric metric, int64_t n) {
    assert(!rows[metric].label);
    counts[metric] += n;
}

void metric_set(enum metric metric, int64_t value) {
    assert(!rows[metric].label);
    counts[metric] = value;
}

void metric_add_labelled(enum metric metric, const char *value, int64_t n) {
    assert(rows[metric].label);
    struct labelled *row = by_label[metric];
    size_t i = 0;
    while (i < LABEL_VALUES_MAX && row[i].value && strcmp(row[i].value, value) != 0) i++;
    if (i == LABEL_VALUES_MAX) value = "other";
    if (!row[i].value) row[i].value = memory_copy(value, strlen(value));
    row[i].n += n;
}

int64_t metric_get(enum metric metric, const char *label_value_or_null) {
    int64_t sum = counts[metric];
    for (const struct labelled *row = by_label[metric]; row < by_label[metric] + LABEL_VALUES_MAX + 1 && row->value;
         row++)
        if (!label_value_or_null || strcmp(row->value, label_value_or_null) == 0) sum += row->n;
    return sum;
}

static bool is_script_name(const char *name) {
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return len > 0 && len <= SCRIPT_NAME_MAX && name[len] == '\0' && !isdigit((unsigned char)name[0]);
}

static struct script_metric *script_metric_for(const char *name, bool gauge) {
    if (!script_metrics_by_name) script_metrics_by_name = map_new();
    struct script_metric *metric = map_find(script_metrics_by_name, slice_of(name));
    if (metric || script_metric_count == SCRIPT_METRICS_MAX) return metric;
    metric = &script_metrics[script_metric_count++];
    *metric = (struct script_metric){memory_copy(name, strlen(name)), gauge, 0};
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

void metrics_render(struct buffer *out) {
    for (int i = 0; i < METRIC_COUNT; i++) {
        buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", rows[i].name, rows[i].help, rows[i].name, rows[i].type);
        if (!rows[i].label) buffer_printf(out, "%s %lld\n", rows[i].name, (long long)counts[i]);
        for (const struct labelled *row = by_label[i]; row < by_label[i] + LABEL_VALUES_MAX + 1 && row->value; row++) {
            buffer_printf(out, "%s{%s=\"", rows[i].name, rows[i].label);
            append_escaped(out, row->value);
            buffer_printf(out, "\"} %lld\n", (long long)row->n);
        }
    }
    for (size_t i = 0; i < script_metric_count; i++) {
        const struct script_metric *metric = &script_metrics[i];
        buffer_printf(out, "# TYPE stoa_script_%s %s\nstoa_script_%s %.17g\n", metric->name,
                      metric->gauge ? "gauge" : "counter", metric->name, metric->n);
    }
}
