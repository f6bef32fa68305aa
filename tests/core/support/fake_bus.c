/* SPDX-License-Identifier: Apache-2.0 */
#include "support/fake_bus.h"

#include <stdlib.h>

#include "base/map.h"
#include "bus/bus_internal.h"
#include "bus/bus_message.h"
#include "loop/loop.h"

struct fake_bus {
    struct bus bus;
    struct list link;
    struct fake_ether *ether;
    struct map *topics;
    unsigned received;
};

struct fake_topic {
    struct fake_bus *bus;
    bool holds;
    struct loop_timer confirm;
    size_t len;
    char name[];
};

/* A message on its way to one bus. */
struct flying {
    struct list link;
    struct fake_bus *to;
    struct loop_timer arrival;
    size_t topic_len, len;
    char bytes[]; /* topic, message */
};

static struct fake_bus *fake_of(const struct bus *bus) {
    return CONTAINER(bus, struct fake_bus, bus);
}

static unsigned chance(struct fake_ether *ether, unsigned below) {
    return below ? (unsigned)rand_r(&ether->seed) % below : 0;
}

static void confirmed(struct loop_timer *timer) {
    struct fake_topic *topic = CONTAINER(timer, struct fake_topic, confirm);
    if (topic->bus->ether->is_down) return;
    topic->holds = true;
    topic->bus->bus.events->subscribed(topic->bus->bus.owner, (struct slice){topic->name, topic->len});
}

static void fake_subscribe(struct bus *bus, struct slice name) {
    struct fake_bus *fake = fake_of(bus);
    struct fake_topic *topic = map_find(fake->topics, name);
    if (!topic) {
        topic = memory_new(sizeof *topic + name.len);
        topic->bus = fake;
        topic->len = name.len;
        if (name.len) memcpy(topic->name, name.ptr, name.len);
        loop_timer_init(&topic->confirm, fake->ether->loop, confirmed);
        map_put(fake->topics, (struct slice){topic->name, topic->len}, topic);
    }
    loop_timer_set(&topic->confirm, fake->ether->subscribe_ms + 1);
}

static void topic_free(struct fake_bus *fake, struct fake_topic *topic) {
    map_remove(fake->topics, (struct slice){topic->name, topic->len});
    loop_timer_cancel(&topic->confirm);
    free(topic);
}

static void fake_unsubscribe(struct bus *bus, struct slice name) {
    struct fake_topic *topic = map_find(fake_of(bus)->topics, name);
    if (topic) topic_free(fake_of(bus), topic);
}

static void flying_free(struct flying *flying) {
    list_remove(&flying->link);
    loop_timer_cancel(&flying->arrival);
    free(flying);
}

static void arrived(struct loop_timer *timer) {
    struct flying *flying = CONTAINER(timer, struct flying, arrival);
    struct fake_bus *to = flying->to;
    struct slice topic = {flying->bytes, flying->topic_len};
    struct bus_message message;
    if (bus_message_read(NULL, topic, (struct slice){flying->bytes + flying->topic_len, flying->len}, &message))
        abort();
    list_remove(&flying->link);
    to->received++;
    to->bus.events->received(to->bus.owner, topic, &message);
    free(flying);
}

static void fly(struct fake_bus *to, struct slice topic, struct slice bytes) {
    struct fake_ether *ether = to->ether;
    if (chance(ether, 100) < ether->drop_percent) return;
    struct flying *flying = memory_new(sizeof *flying + topic.len + bytes.len);
    flying->to = to;
    flying->topic_len = topic.len;
    flying->len = bytes.len;
    if (topic.len) memcpy(flying->bytes, topic.ptr, topic.len);
    memcpy(flying->bytes + topic.len, bytes.ptr, bytes.len);
    list_append(&ether->flying, &flying->link);
    loop_timer_init(&flying->arrival, ether->loop, arrived);
    loop_timer_set(&flying->arrival, 1 + chance(ether, ether->delay_ms + 1));
    if (chance(ether, 100) < ether->double_percent) fly(to, topic, bytes);
}

static void fake_publish(struct bus *bus, struct slice name, const struct bus_message *message) {
    struct fake_bus *from = fake_of(bus);
    struct buffer bytes = {0};
    if (from->ether->is_down) return;
    bus_message_write(NULL, name, message, &bytes);
    LIST_EACH(&from->ether->buses, link) {
        struct fake_bus *to = CONTAINER(link, struct fake_bus, link);
        const struct fake_topic *topic = map_find(to->topics, name);
        if (to != from && topic && topic->holds) fly(to, name, buffer_slice(&bytes));
    }
    buffer_done(&bytes);
}

static void fake_write_detail(const struct bus *bus, struct buffer *out) {
    if (fake_of(bus)->ether->is_down) buffer_append_str(out, "down");
}

static void fake_free(struct bus *bus) {
    struct fake_bus *fake = fake_of(bus);
    size_t cursor = 0;
    LIST_EACH(&fake->ether->flying, link) {
        struct flying *flying = CONTAINER(link, struct flying, link);
        if (flying->to == fake) flying_free(flying);
    }
    for (struct fake_topic *topic; (topic = map_next(fake->topics, &cursor));) topic_free(fake, topic);
    map_free(&fake->topics);
    list_remove(&fake->link);
    free(fake);
}

static const struct bus_ops fake_ops = {.free = fake_free,
                                        .subscribe = fake_subscribe,
                                        .unsubscribe = fake_unsubscribe,
                                        .publish = fake_publish,
                                        .write_detail = fake_write_detail};

struct bus *fake_bus_new_at(struct fake_ether *ether, const char *node, const char *place,
                            const struct bus_events *events, void *owner) {
    struct fake_bus *fake = NEW(struct fake_bus);
    bus_init(&fake->bus, &fake_ops, &(struct bus_settings){.node = node, .place = place}, events, owner);
    fake->ether = ether;
    fake->topics = map_new();
    list_append(&ether->buses, &fake->link);
    return &fake->bus;
}

struct bus *fake_bus_new(struct fake_ether *ether, const char *node, const struct bus_events *events, void *owner) {
    return fake_bus_new_at(ether, node, NULL, events, owner);
}

unsigned fake_bus_received(const struct bus *bus) {
    return fake_of(bus)->received;
}

size_t fake_bus_topics(const struct bus *bus) {
    return map_size(fake_of(bus)->topics);
}

void fake_ether_init(struct fake_ether *ether, struct loop *loop) {
    *ether = (struct fake_ether){.loop = loop, .seed = 1};
    list_init(&ether->buses);
    list_init(&ether->flying);
}

void fake_ether_done(struct fake_ether *ether) {
    LIST_EACH(&ether->flying, link) flying_free(CONTAINER(link, struct flying, link));
}

void fake_ether_set_down(struct fake_ether *ether, bool is_down) {
    ether->is_down = is_down;
    LIST_EACH(&ether->buses, link) {
        struct fake_bus *fake = CONTAINER(link, struct fake_bus, link);
        size_t cursor = 0;
        for (struct fake_topic *topic; (topic = map_next(fake->topics, &cursor));) {
            topic->holds = false;
            if (!is_down) loop_timer_set(&topic->confirm, ether->subscribe_ms + 1);
        }
        bus_set_degraded(&fake->bus, is_down);
    }
}
