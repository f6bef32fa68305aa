#include "server/insist.h"

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

struct insist {
    struct loop *loop;
    struct bus *bus;
    struct list sayings; /* the oldest first */
    size_t len;
    struct loop_timer again;
};

static void say(struct insist *insist, const struct saying *saying) {
    const struct bus_message message = {.kind = saying->kind,
                                        .body = {saying->bytes + saying->topic_len, saying->body_len}};
    (void)!bus_publish(insist->bus, (struct slice){saying->bytes, saying->topic_len}, &message);
}

static void saying_free(struct insist *insist, struct saying *saying) {
    list_remove(&saying->link);
    insist->len--;
    free(saying);
}

static void say_again(struct loop_timer *timer) {
    struct insist *insist = CONTAINER(timer, struct insist, again);
    uint64_t now_ms = loop_now_ms(insist->loop);
    LIST_EACH(&insist->sayings, link) {
        struct saying *saying = CONTAINER(link, struct saying, link);
        if (bus_is_degraded(insist->bus)) saying->until_ms = now_ms + INSIST_FOR_MS;
        say(insist, saying);
        if (now_ms >= saying->until_ms) saying_free(insist, saying);
    }
    if (insist->len > 0) loop_timer_set(timer, INSIST_EVERY_MS);
}

void insist_publish(struct insist *insist, struct slice topic, const struct bus_message *message) {
    struct slice body = message->body;
    struct saying *saying = memory_new(sizeof *saying + topic.len + body.len);
    saying->kind = message->kind;
    saying->until_ms = loop_now_ms(insist->loop) + INSIST_FOR_MS;
    saying->topic_len = topic.len;
    saying->body_len = body.len;
    memcpy(saying->bytes, topic.ptr, topic.len);
    memcpy(saying->bytes + topic.len, body.ptr, body.len);
    list_append(&insist->sayings, &saying->link);
    if (++insist->len > INSIST_MAX) saying_free(insist, CONTAINER(insist->sayings.next, struct saying, link));
    if (!loop_timer_pending(&insist->again)) loop_timer_set(&insist->again, INSIST_EVERY_MS);
    say(insist, saying);
}

struct insist *insist_new(struct loop *loop, struct bus *bus) {
    struct insist *insist = NEW(struct insist);
    insist->loop = loop;
    insist->bus = bus;
    list_init(&insist->sayings);
    loop_timer_init(&insist->again, loop, say_again);
    return insist;
}

void insist_free(struct insist **insist_owner) {
    struct insist *insist = *insist_owner;
    *insist_owner = NULL;
    if (!insist) return;
    LIST_EACH(&insist->sayings, link) saying_free(insist, CONTAINER(link, struct saying, link));
    loop_timer_cancel(&insist->again);
    free(insist);
}
