/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/repeated_messages.h"

#include <stdlib.h>

#include "base/list.h"
#include "bus/bus.h"
#include "loop/loop.h"

struct saying {
    struct list link;
    enum bus_kind kind;
    uint64_t until_ms;
    size_t topic_len, body_len;
    char bytes[]; /* topic, body */
};

struct repeated_messages {
    struct loop *loop;
    struct bus *bus;
    struct list sayings; /* the oldest first */
    size_t len;
    struct loop_timer again;
};

static void say(struct repeated_messages *repeated, const struct saying *saying) {
    const struct bus_message message = {.kind = saying->kind,
                                        .body = {saying->bytes + saying->topic_len, saying->body_len}};
    (void)!bus_publish(repeated->bus, (struct slice){saying->bytes, saying->topic_len}, &message);
}

static void saying_free(struct repeated_messages *repeated, struct saying *saying) {
    list_remove(&saying->link);
    repeated->len--;
    free(saying);
}

static void say_again(struct loop_timer *timer) {
    struct repeated_messages *repeated = CONTAINER(timer, struct repeated_messages, again);
    uint64_t now_ms = loop_now_ms(repeated->loop);
    LIST_EACH(&repeated->sayings, link) {
        struct saying *saying = CONTAINER(link, struct saying, link);
        if (bus_is_degraded(repeated->bus)) saying->until_ms = now_ms + REPEATED_MESSAGES_FOR_MS;
        say(repeated, saying);
        if (now_ms >= saying->until_ms) saying_free(repeated, saying);
    }
    if (repeated->len > 0) loop_timer_set(timer, REPEATED_MESSAGES_EVERY_MS);
}

void repeated_messages_publish(struct repeated_messages *repeated, struct slice topic,
                               const struct bus_message *message) {
    struct slice body = message->body;
    struct saying *saying = memory_new(sizeof *saying + topic.len + body.len);
    saying->kind = message->kind;
    saying->until_ms = loop_now_ms(repeated->loop) + REPEATED_MESSAGES_FOR_MS;
    saying->topic_len = topic.len;
    saying->body_len = body.len;
    memcpy(saying->bytes, topic.ptr, topic.len);
    memcpy(saying->bytes + topic.len, body.ptr, body.len);
    list_append(&repeated->sayings, &saying->link);
    if (++repeated->len > REPEATED_MESSAGES_MAX)
        saying_free(repeated, CONTAINER(repeated->sayings.next, struct saying, link));
    if (!loop_timer_pending(&repeated->again)) loop_timer_set(&repeated->again, REPEATED_MESSAGES_EVERY_MS);
    say(repeated, saying);
}

struct repeated_messages *repeated_messages_new(struct loop *loop, struct bus *bus) {
    struct repeated_messages *repeated = NEW(struct repeated_messages);
    repeated->loop = loop;
    repeated->bus = bus;
    list_init(&repeated->sayings);
    loop_timer_init(&repeated->again, loop, say_again);
    return repeated;
}

void repeated_messages_free(struct repeated_messages **insist_owner) {
    struct repeated_messages *repeated = *insist_owner;
    *insist_owner = NULL;
    if (!repeated) return;
    LIST_EACH(&repeated->sayings, link) saying_free(repeated, CONTAINER(link, struct saying, link));
    loop_timer_cancel(&repeated->again);
    free(repeated);
}
