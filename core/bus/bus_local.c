/* SPDX-License-Identifier: Apache-2.0 */
#include "bus/bus_local.h"

#include <stdlib.h>

#include "base/list.h"
#include "bus/bus_internal.h"
#include "loop/loop.h"

/* A new subscription that the loop will report. */
struct wish {
    struct list link;
    size_t len;
    char topic[];
};

struct bus_local {
    struct bus bus;
    struct loop *loop;
    struct list wishes, granted; /* granted: those being reported this turn */
    struct loop_task grant;
};

static void wish_free(struct wish *wish) {
    list_remove(&wish->link);
    free(wish);
}

static void local_grant(struct loop_task *task) {
    struct bus_local *local = CONTAINER(task, struct bus_local, grant);
    list_splice(&local->granted, &local->wishes);
    for (struct list *link; (link = list_pop(&local->granted));) {
        struct wish *wish = CONTAINER(link, struct wish, link);
        local->bus.events->subscribed(local->bus.owner, (struct slice){wish->topic, wish->len});
        wish_free(wish);
    }
}

static void local_unsubscribe(struct bus *bus, struct slice topic) {
    struct bus_local *local = CONTAINER(bus, struct bus_local, bus);
    struct list *lists[] = {&local->wishes, &local->granted};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        LIST_EACH(lists[i], link) {
            struct wish *wish = CONTAINER(link, struct wish, link);
            if (slice_equal((struct slice){wish->topic, wish->len}, topic)) wish_free(wish);
        }
    }
}

static void local_subscribe(struct bus *bus, struct slice topic) {
    struct bus_local *local = CONTAINER(bus, struct bus_local, bus);
    struct wish *wish = memory_new(sizeof *wish + topic.len);
    local_unsubscribe(bus, topic);
    wish->len = topic.len;
    if (topic.len > 0) memcpy(wish->topic, topic.ptr, topic.len);
    list_append(&local->wishes, &wish->link);
    loop_post(local->loop, &local->grant);
}

static void local_publish(struct bus *bus, struct slice topic, const struct bus_message *message) {}

static void local_write_detail(const struct bus *bus, struct buffer *out) {}

static void local_free(struct bus *bus) {
    struct bus_local *local = CONTAINER(bus, struct bus_local, bus);
    LIST_EACH(&local->wishes, link) wish_free(CONTAINER(link, struct wish, link));
    loop_task_cancel(&local->grant);
    free(local);
}

static const struct bus_ops local_ops = {.is_alone = true,
                                         .free = local_free,
                                         .subscribe = local_subscribe,
                                         .unsubscribe = local_unsubscribe,
                                         .publish = local_publish,
                                         .write_detail = local_write_detail};

struct bus *bus_local_new(struct loop *loop, const struct bus_events *events, void *owner) {
    struct bus_local *local = NEW(struct bus_local);
    bus_init(&local->bus, &local_ops, &(struct bus_settings){.node = NULL}, events, owner);
    local->loop = loop;
    list_init(&local->wishes);
    list_init(&local->granted);
    loop_task_init(&local->grant, local_grant);
    return &local->bus;
}
