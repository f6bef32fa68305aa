/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus_redis.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"
#include "bus/bus_internal.h"
#include "bus/bus_message.h"
#include "bus/bus_probes.h"
#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/redis_name.h"
#include "redis/seal.h"
#include "redis/subscriber.h"

/* On Redis a topic is "stoa:{pNNN}:TOPIC", with TOPIC encoded by redis_name.h. The partition, a hash of the topic,
 * decides the slot: so a resubscription after a reconnect needs at most PARTITIONS batches, however many topics there
 * are. A topic's partition never changes. */
enum { PARTITIONS = 512, CHECK_EVERY_MS = 250 };

/* A topic that the owner has subscribed to. */
struct bus_topic {
    struct list link; /* in bus_redis->unheard until a server confirms it; in ->granted if confirmed at once */
    uint64_t unheard_ms;
    bool is_heard;
    size_t len, name_len;
    char bytes[]; /* the topic; its name on Redis */
};

struct bus_redis {
    struct bus bus;
    struct loop *loop;
    struct redis *redis;
    struct subscriber *subscriber;
    struct seal *seal;
    bool is_sharded;
    struct map *topics;  /* by name */
    struct list unheard; /* longest waiting first */
    struct list granted; /* already confirmed: the loop will call subscribed */
    uint64_t away_ms;    /* since when Redis has taken no commands; 0: it does */
    struct bus_probes *probes;
    struct loop_timer check;
    struct loop_task grant;
    struct buffer name, bytes; /* for the current call */
};

static struct bus_redis *redis_of(struct bus *bus) {
    return CONTAINER(bus, struct bus_redis, bus);
}

static enum topic_kind kind_of(const struct bus_redis *bus) {
    return bus->is_sharded ? TOPIC_SHARDED : TOPIC_CLASSIC;
}

/* Valid until the next call. */
static struct slice name_of(struct bus_redis *bus, struct slice topic) {
    buffer_clear(&bus->name);
    buffer_printf(&bus->name, "stoa:{p%03u}:", (unsigned)(hash_fixed(topic) % PARTITIONS));
    redis_name_append(&bus->name, topic);
    return buffer_slice(&bus->name);
}

static struct slice topic_of(const struct bus_topic *topic) {
    return (struct slice){topic->bytes, topic->len};
}

static struct slice topic_name(const struct bus_topic *topic) {
    return (struct slice){topic->bytes + topic->len, topic->name_len};
}

/* State. */

static const char *find_fault(const struct bus_redis *bus) {
    uint64_t now_ms = loop_now_ms(bus->loop);
    if (bus->away_ms && now_ms - bus->away_ms >= BUS_DEGRADED_MS) return "redis is away";
    if (!list_empty(&bus->unheard)) {
        const struct bus_topic *longest = CONTAINER(bus->unheard.next, struct bus_topic, link);
        if (now_ms - longest->unheard_ms >= BUS_DEGRADED_MS) return "topics are not subscribed";
    }
    return bus_probes_missing(bus->probes) ? "probes do not come back" : NULL;
}

static void check(struct loop_timer *timer) {
    struct bus_redis *bus = CONTAINER(timer, struct bus_redis, check);
    uint64_t now_ms = loop_now_ms(bus->loop);
    if (redis_is_up(bus->redis))
        bus->away_ms = 0;
    else if (!bus->away_ms)
        bus->away_ms = now_ms;
    bus_probes_turn(bus->probes, now_ms);
    metric_set(METRIC_BUS_TOPICS, (int64_t)map_size(bus->topics));
    loop_timer_set(timer, CHECK_EVERY_MS);
    bus_set_degraded(&bus->bus, find_fault(bus) != NULL);
}

static void redis_write_detail(const struct bus *bus, struct buffer *out) {
    const char *fault = find_fault(CONTAINER(bus, struct bus_redis, bus));
    if (fault) buffer_append_str(out, fault);
}

/* Topics. */

static void topic_unheard(struct bus_redis *bus, struct bus_topic *topic) {
    list_remove(&topic->link);
    topic->is_heard = false;
    topic->unheard_ms = loop_now_ms(bus->loop);
    list_append(&bus->unheard, &topic->link);
}

static void topic_heard(struct bus_redis *bus, struct bus_topic *topic) {
    list_remove(&topic->link);
    topic->is_heard = true;
    bus->bus.events->subscribed(bus->bus.owner, topic_of(topic));
}

static void redis_grant(struct loop_task *task) {
    struct bus_redis *bus = CONTAINER(task, struct bus_redis, grant);
    struct list due;
    list_init(&due);
    list_splice(&due, &bus->granted);
    while (!list_empty(&due)) topic_heard(bus, CONTAINER(due.next, struct bus_topic, link));
}

static void redis_subscribe(struct bus *generic, struct slice wanted) {
    struct bus_redis *bus = redis_of(generic);
    struct slice name = name_of(bus, wanted);
    struct bus_topic *topic = map_find(bus->topics, name);
    if (!topic) {
        topic = memory_new(sizeof *topic + wanted.len + name.len);
        topic->len = wanted.len;
        topic->name_len = name.len;
        if (wanted.len > 0) memcpy(topic->bytes, wanted.ptr, wanted.len);
        memcpy(topic->bytes + wanted.len, name.ptr, name.len);
        list_init(&topic->link);
        map_put(bus->topics, topic_name(topic), topic);
        topic->is_heard = subscriber_want(bus->subscriber, kind_of(bus), name);
        if (!topic->is_heard) topic_unheard(bus, topic);
    }
    if (!topic->is_heard) return;
    list_remove(&topic->link);
    list_append(&bus->granted, &topic->link);
    loop_post(bus->loop, &bus->grant);
}

static void topic_free(struct bus_redis *bus, struct bus_topic *topic) {
    map_remove(bus->topics, topic_name(topic));
    list_remove(&topic->link);
    free(topic);
}

static void redis_unsubscribe(struct bus *generic, struct slice dropped) {
    struct bus_redis *bus = redis_of(generic);
    struct slice name = name_of(bus, dropped);
    struct bus_topic *topic = map_find(bus->topics, name);
    if (!topic) return;
    topic_free(bus, topic);
    subscriber_drop(bus->subscriber, kind_of(bus), name);
}

static void subscribed(void *owner, enum topic_kind kind, struct slice name) {
    struct bus_redis *bus = owner;
    struct bus_topic *topic = map_find(bus->topics, name);
    if (topic) topic_heard(bus, topic);
}

static void lost(void *owner, enum topic_kind kind, struct slice name) {
    struct bus_redis *bus = owner;
    struct bus_topic *topic = map_find(bus->topics, name);
    if (topic) topic_unheard(bus, topic);
}

/* Messages. */

static void redis_publish_message(struct bus *generic, struct slice topic, const struct bus_message *message) {
    struct bus_redis *bus = redis_of(generic);
    buffer_clear(&bus->bytes);
    bus_message_write(bus->seal, topic, message, &bus->bytes);
    metric_add(METRIC_BUS_PUBLISHED_BYTES, (int64_t)bus->bytes.len);
    redis_publish(bus->redis, NULL, bus->is_sharded, name_of(bus, topic), buffer_slice(&bus->bytes));
}

static void received(void *owner, enum topic_kind kind, struct slice pattern, struct slice name, struct slice bytes) {
    struct bus_redis *bus = owner;
    struct bus_message message;
    metric_add(METRIC_BUS_RECEIVED_BYTES, (int64_t)bytes.len);
    if (bus_probes_take(bus->probes, name, bytes)) return;
    const struct bus_topic *topic = map_find(bus->topics, name);
    if (!topic || slice_equal(bus_message_origin(bytes), bus_worker_id(&bus->bus))) return;
    const char *reason = bus_message_read(bus->seal, topic_of(topic), bytes, &message);
    if (reason) {
        metric_add_labelled(METRIC_BUS_DROPPED, reason, 1);
        LOG(LOG_WARNING, "bus.dropped", LOG_TEXT("reason", reason), LOG_SLICE("topic", name));
        return;
    }
    metric_add_labelled(METRIC_BUS_RECEIVED, bus_kind_name(message.kind), 1);
    bus->bus.events->received(bus->bus.owner, topic_of(topic), &message);
}

static const struct subscriber_events subscriber_events = {.message = received, .subscribed = subscribed, .lost = lost};

static void redis_bus_free(struct bus *generic) {
    struct bus_redis *bus = redis_of(generic);
    size_t cursor = 0;
    bus_probes_free(&bus->probes);
    subscriber_free(&bus->subscriber);
    for (struct bus_topic *topic; (topic = map_next(bus->topics, &cursor));) topic_free(bus, topic);
    map_free(&bus->topics);
    loop_timer_cancel(&bus->check);
    loop_task_cancel(&bus->grant);
    seal_free(&bus->seal);
    buffer_done(&bus->name);
    buffer_done(&bus->bytes);
    free(bus);
}

static const struct bus_ops redis_ops = {.free = redis_bus_free,
                                         .subscribe = redis_subscribe,
                                         .unsubscribe = redis_unsubscribe,
                                         .publish = redis_publish_message,
                                         .write_detail = redis_write_detail};

struct bus *bus_redis_new(struct loop *loop, struct redis *redis, const struct bus_settings *settings,
                          const struct bus_events *events, void *owner) {
    static const struct subscriber_settings defaults = {0};
    struct bus_redis *bus = NEW(struct bus_redis);
    bus_init(&bus->bus, &redis_ops, settings, events, owner);
    bus->loop = loop;
    bus->redis = redis;
    bus->is_sharded = settings->sharded;
    bus->seal = seal_new(settings->secret);
    bus->topics = map_new();
    list_init(&bus->unheard);
    list_init(&bus->granted);
    bus->subscriber = subscriber_new(redis, &defaults, &subscriber_events, bus);
    bus->probes = bus_probes_new(redis, bus->subscriber, settings->sharded, bus_worker_id(&bus->bus));
    loop_task_init(&bus->grant, redis_grant);
    loop_timer_init(&bus->check, loop, check);
    loop_timer_set(&bus->check, 1);
    return &bus->bus;
}
