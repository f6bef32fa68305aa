/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "base/ids.h"
#include "base/log.h"
#include "base/metrics.h"
#include "bus/bus_internal.h"
#include "bus/bus_message.h"

enum { NODE_MAX = 64, PLACE_MAX = 16, INCARNATION_LEN = 12 };

void bus_init(struct bus *bus, const struct bus_ops *ops, const struct bus_settings *settings,
              const struct bus_events *events, void *owner) {
    char incarnation[INCARNATION_LEN + 1], host[NODE_MAX + 1] = "", process[PLACE_MAX + 1];
    (void)!gethostname(host, NODE_MAX);
    snprintf(process, sizeof process, "%d", (int)getpid());
    bus->ops = ops;
    bus->events = events;
    bus->owner = owner;
    id_random(incarnation, INCARNATION_LEN);
    snprintf(bus->worker_id, sizeof bus->worker_id, "%.*s.%.*s.%s", NODE_MAX, settings->node ? settings->node : host,
             PLACE_MAX, settings->place ? settings->place : process, incarnation);
}

void bus_set_degraded(struct bus *bus, bool is_degraded) {
    if (bus->is_degraded == is_degraded) return;
    struct buffer detail = {0};
    bus->is_degraded = is_degraded;
    bus->ops->write_detail(bus, &detail);
    if (is_degraded)
        LOG(LOG_WARNING, "bus.degraded", LOG_SLICE("why", buffer_slice(&detail)));
    else
        LOG(LOG_INFO, "bus.works");
    buffer_done(&detail);
    metric_set(METRIC_BUS_DEGRADED, is_degraded);
    bus->events->degraded(bus->owner, is_degraded);
}

void bus_free(struct bus **bus_owner) {
    struct bus *bus = *bus_owner;
    *bus_owner = NULL;
    if (bus) bus->ops->free(bus);
}

struct slice bus_worker_id(const struct bus *bus) {
    return slice_of(bus->worker_id);
}

bool bus_is_alone(const struct bus *bus) {
    return bus->ops->is_alone;
}

bool bus_is_degraded(const struct bus *bus) {
    return bus->is_degraded;
}

void bus_write_detail(const struct bus *bus, struct buffer *out) {
    bus->ops->write_detail(bus, out);
}

void bus_subscribe(struct bus *bus, struct slice topic) {
    assert(topic.len <= BUS_TOPIC_MAX);
    bus->ops->subscribe(bus, topic);
}

void bus_unsubscribe(struct bus *bus, struct slice topic) {
    bus->ops->unsubscribe(bus, topic);
}

bool bus_publish(struct bus *bus, struct slice topic, const struct bus_message *message) {
    assert(topic.len <= BUS_TOPIC_MAX);
    struct bus_message published = *message;
    if (message->kind == BUS_EVENT && message->body.len > BUS_EVENT_BODY_MAX) published.body = SLICE_NONE;
    if (published.body.len > BUS_BODY_MAX) {
        metric_add_labelled(METRIC_BUS_DROPPED, "too_large", 1);
        return false;
    }
    published.origin = bus_worker_id(bus);
    metric_add_labelled(METRIC_BUS_PUBLISHED, bus_kind_name(message->kind), 1);
    bus->ops->publish(bus, topic, &published);
    return true;
}
