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

struct script_metric {
    char name[SCRIPT_NAME_MAX + 1];
    bool gauge;
    double n;
};

/* What one process counts. */
struct registry {
    int64_t counts[METRIC_COUNT];
    struct labels by_label[METRIC_COUNT];
    unsigned scripts_len;
    struct script_metric scripts[SCRIPT_METRICS_MAX];
};

/* The registries, one a place; of this process, which alone writes to it: own. */
static struct registry alone, *places = &alone, *own = &alone;
static unsigned places_len = 1;
static struct map *script_metrics_by_name; /* in own */

static unsigned len_of(const unsigned *len) {
    return __atomic_load_n(len, __ATOMIC_ACQUIRE);
}

static void grow(unsigned *len) {
    __atomic_store_n(len, *len + 1, __ATOMIC_RELEASE);
}

void metrics_share(unsigned processes) {
    void *memory = mmap(NULL, processes * sizeof *places, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    places = memory;
    places_len = processes;
    metrics_take_place(0);
    *own = alone;
}

void metrics_take_place(unsigned place) {
    assert(place < places_len);
    own = &places[place];
    map_free(&script_metrics_by_name);
}

void metrics_left(unsigned place) {
    struct registry *left = &places[place];
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

void metric_set(enum metric metric, int64_t value) {
    assert(!rows[metric].label);
    own->counts[metric] = value;
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
    int64_t sum = own->counts[metric];
    for (unsigned i = 0; i < labels->len; i++)
        if (!label_value_or_null || strcmp(labels->rows[i].value, label_value_or_null) == 0) sum += labels->rows[i].n;
    return sum;
}

/* Levels rather than amounts: that of all is the highest. */
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
    for (unsigned place = 0; place < places_len; place++) total = together(metric, total, places[place].counts[metric]);
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
    for (unsigned place = 0; place < places_len; place++) {
        const struct labels *labels = &places[place].by_label[metric];
        unsigned i = find_label(labels, value);
        if (i < len_of(&labels->len)) total = together(metric, total, labels->rows[i].n);
    }
    buffer_printf(out, "%s{%s=\"", rows[metric].name, rows[metric].label);
    append_escaped(out, value);
    buffer_printf(out, "\"} %lld\n", (long long)total);
}

static bool label_seen_before(enum metric metric, unsigned place, const char *value) {
    for (unsigned before = 0; before < place; before++) {
        const struct labels *labels = &places[before].by_label[metric];
        if (find_label(labels, value) < len_of(&labels->len)) return true;
    }
    return false;
}

static void render_labels(struct buffer *out, enum metric metric) {
    for (unsigned place = 0; place < places_len; place++) {
        const struct labels *labels = &places[place].by_label[metric];
        for (unsigned i = 0; i < len_of(&labels->len); i++)
            if (!label_seen_before(metric, place, labels->rows[i].value))
                render_label(out, metric, labels->rows[i].value);
    }
}

static void render_scripts(struct buffer *out, unsigned place) {
    for (unsigned i = 0; i < len_of(&places[place].scripts_len); i++) {
        const struct script_metric *metric = &places[place].scripts[i];
        double sum = 0;
        bool seen = false;
        for (unsigned other = 0; other < places_len; other++) {
            const struct script_metric *same = find_script(&places[other], metric->name);
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
        if (rows[i].label)
            render_labels(out, metric);
        else
            buffer_printf(out, "%s %lld\n", rows[i].name, (long long)metric_total(metric));
    }
    for (unsigned place = 0; place < places_len; place++) render_scripts(out, place);
}
