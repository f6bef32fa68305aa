/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus_probes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "redis/redis.h"
#include "redis/redis_owners.h"
#include "redis/subscriber.h"

/* The tag hashes to one server: "stoa:probe:{TAG}:WORKER". */
static const char PREFIX[] = "stoa:probe:";

/* The probe of one server. */
struct probe {
    struct list link;
    uint64_t sent, heard;
    unsigned missed; /* consecutive */
    bool is_due;     /* its server is a current primary */
    bool is_new;     /* too new to be subscribed yet */
    size_t len;
    char name[];
};

struct bus_probes {
    struct redis *redis;
    struct subscriber *subscriber;
    enum topic_kind kind;
    struct slice worker_id;
    struct list probes;
    uint64_t next_ms;
};

static struct slice probe_name(const struct probe *probe) {
    return (struct slice){probe->name, probe->len};
}

static struct probe *probe_find(const struct bus_probes *probes, struct slice name) {
    LIST_EACH(&probes->probes, link) {
        struct probe *probe = CONTAINER(link, struct probe, link);
        if (slice_equal(probe_name(probe), name)) return probe;
    }
    return NULL;
}

static void probe_free(struct bus_probes *probes, struct probe *probe) {
    subscriber_drop(probes->subscriber, probes->kind, probe_name(probe));
    list_remove(&probe->link);
    free(probe);
}

/* Finds or creates the probe for a server's tag. */
static void take_server(void *owner, struct slice tag) {
    struct bus_probes *probes = owner;
    struct buffer name = {0};
    buffer_printf(&name, "%s{%.*s}:%.*s", PREFIX, SLICE_ARG(tag), SLICE_ARG(probes->worker_id));
    struct probe *probe = probe_find(probes, buffer_slice(&name));
    if (!probe) {
        probe = memory_new(sizeof *probe + name.len);
        probe->is_new = true;
        probe->len = name.len;
        memcpy(probe->name, name.ptr, name.len);
        list_append(&probes->probes, &probe->link);
        subscriber_want(probes->subscriber, probes->kind, probe_name(probe));
    }
    probe->is_due = true;
    buffer_done(&name);
}

/* False: too many probes in a row did not come back. */
static bool probe_send(struct bus_probes *probes, struct probe *probe) {
    char payload[24];
    bool is_subscribed = subscriber_has(probes->subscriber, probes->kind, probe_name(probe));
    if (!probe->is_new && (!is_subscribed || probe->sent > probe->heard)) probe->missed++;
    probe->is_new = false;
    if (!is_subscribed) return true;
    int len = snprintf(payload, sizeof payload, "%llu", (unsigned long long)++probe->sent);
    redis_publish(probes->redis, NULL, probes->kind == TOPIC_SHARDED, probe_name(probe),
                  (struct slice){payload, (size_t)len});
    return probe->missed == 0 || probe->missed % BUS_PROBES_MISSED != 0;
}

void bus_probes_turn(struct bus_probes *probes, uint64_t now_ms) {
    bool is_well = true;
    if (now_ms < probes->next_ms) return;
    probes->next_ms = now_ms + BUS_PROBE_EVERY_MS;
    LIST_EACH(&probes->probes, link) CONTAINER(link, struct probe, link)->is_due = false;
    redis_owners_each_tag(probes->redis, take_server, probes);
    LIST_EACH(&probes->probes, link) {
        struct probe *probe = CONTAINER(link, struct probe, link);
        if (probe->is_due)
            is_well = probe_send(probes, probe) && is_well;
        else
            probe_free(probes, probe);
    }
    if (is_well || !redis_is_up(probes->redis)) return;
    LOG(LOG_WARNING, "bus.reconnect", LOG_TEXT("why", "probes do not come back"));
    metric_add(METRIC_BUS_RECONNECTS, 1);
    subscriber_reconnect(probes->subscriber);
}

bool bus_probes_take(struct bus_probes *probes, struct slice name, struct slice payload) {
    if (name.len < sizeof PREFIX || memcmp(name.ptr, PREFIX, sizeof PREFIX - 1) != 0) return false;
    struct probe *probe = probe_find(probes, name);
    char text[24] = {0};
    if (!probe || payload.len >= sizeof text) return true;
    memcpy(text, payload.ptr, payload.len);
    uint64_t number = strtoull(text, NULL, 10);
    if (number <= probe->heard || number > probe->sent) return true;
    probe->heard = number;
    probe->missed = 0;
    return true;
}

bool bus_probes_missing(const struct bus_probes *probes) {
    LIST_EACH(&probes->probes, link) {
        if (CONTAINER(link, struct probe, link)->missed >= BUS_PROBES_MISSED) return true;
    }
    return false;
}

struct bus_probes *bus_probes_new(struct redis *redis, struct subscriber *subscriber, bool is_sharded,
                                  struct slice worker_id) {
    struct bus_probes *probes = NEW(struct bus_probes);
    probes->redis = redis;
    probes->subscriber = subscriber;
    probes->kind = is_sharded ? TOPIC_SHARDED : TOPIC_CLASSIC;
    probes->worker_id = worker_id;
    list_init(&probes->probes);
    return probes;
}

void bus_probes_free(struct bus_probes **probes_owner) {
    struct bus_probes *probes = *probes_owner;
    *probes_owner = NULL;
    LIST_EACH(&probes->probes, link) probe_free(probes, CONTAINER(link, struct probe, link));
    free(probes);
}
