/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/subscriber_feed.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/metrics.h"
#include "redis/redis_owners.h"
#include "redis/redis_verdict.h"
#include "redis/resp.h"

enum { BATCH_TOPICS = 512 };

struct feed_batch {
    struct list link; /* feed->batches */
    struct list topics;
};

static struct subscriber_feed *feed_of(struct redis_link *link) {
    return CONTAINER(link, struct subscriber_feed, redis_link);
}

static struct topic *topic_of(struct list *link) {
    return CONTAINER(link, struct topic, link);
}

/* --- out --- */

static void send_batch(struct subscriber_feed *feed, struct feed_batch *batch, const struct slice *argv, size_t argc) {
    struct buffer commands = {0};
    if (argc) resp_append_command(&commands, argv, argc);
    resp_append_command(&commands, REDIS_ARGS(SLICE("PING")));
    redis_link_write(&feed->redis_link, buffer_slice(&commands));
    buffer_done(&commands);
    list_append(&feed->batches, &batch->link);
}

static struct feed_batch *new_batch(void) {
    struct feed_batch *batch = NEW(struct feed_batch);
    list_init(&batch->link);
    list_init(&batch->topics);
    return batch;
}

static int by_kind_and_slot(const void *a, const void *b) {
    const struct topic *const *left = a, *const *right = b;
    if ((*left)->kind != (*right)->kind) return (*left)->kind < (*right)->kind ? -1 : 1;
    return ((*left)->slot > (*right)->slot) - ((*left)->slot < (*right)->slot);
}

/* Sorted topics of one kind and slot. */
static void send_topics(struct subscriber_feed *feed, struct topic **topics, size_t len, enum topic_state state) {
    static const char *const commands[][2] = {
        [TOPIC_CLASSIC] = {"SUBSCRIBE", "UNSUBSCRIBE"},
        [TOPIC_PATTERN] = {"PSUBSCRIBE", "PUNSUBSCRIBE"},
        [TOPIC_SHARDED] = {"SSUBSCRIBE", "SUNSUBSCRIBE"},
    };
    struct slice argv[1 + BATCH_TOPICS];
    struct feed_batch *batch = new_batch();
    argv[0] = slice_of(commands[topics[0]->kind][state == TOPIC_UNSUBSCRIBING]);
    for (size_t i = 0; i < len; i++) {
        argv[1 + i] = subscriber_topic_name(topics[i]);
        topics[i]->state = state;
        list_remove(&topics[i]->link);
        list_append(&batch->topics, &topics[i]->link);
    }
    send_batch(feed, batch, argv, 1 + len);
}

static void send_list(struct subscriber_feed *feed, const struct list *list, enum topic_state state) {
    size_t len = 0, i = 0;
    LIST_EACH(list, link) len++;
    if (len == 0) return;
    struct topic **topics = NEW_ARRAY(struct topic *, len);
    LIST_EACH(list, link) topics[i++] = topic_of(link);
    qsort(topics, len, sizeof(*topics), by_kind_and_slot);
    for (size_t from = 0, to; from < len; from = to) {
        for (to = from; to < len && to - from < BATCH_TOPICS && by_kind_and_slot(&topics[from], &topics[to]) == 0;)
            to++;
        send_topics(feed, topics + from, to - from, state);
    }
    free(topics);
}

void subscriber_feed_send(struct subscriber_feed *feed) {
    if (feed->redis_link.state != LINK_READY) return;
    send_list(feed, &feed->leaving, TOPIC_UNSUBSCRIBING);
    send_list(feed, &feed->wanting, TOPIC_SUBSCRIBING);
}

/* --- in --- */

/* A topic unsubscribed by the server has moved with its slot. */
static void take_away(struct subscriber_feed *feed, struct topic *topic) {
    if (topic->state != TOPIC_SUBSCRIBED) return;
    redis_look(feed->subscriber->redis);
    subscriber_topic_homeless(topic);
}

static void show_message(struct topic *topic, struct slice name, struct slice payload) {
    const struct subscriber *subscriber = topic->feed->subscriber;
    struct slice pattern = topic->kind == TOPIC_PATTERN ? subscriber_topic_name(topic) : SLICE_NONE;
    if (topic->wanted && topic->state == TOPIC_SUBSCRIBED)
        subscriber->events->message(subscriber->owner, topic->kind, pattern, name, payload);
}

/* ["subscribe", topic, count], ["message", topic, payload], ["pmessage", pattern, topic, payload] … */
static void take_push(struct subscriber_feed *feed, const struct redis_value *value) {
    static const struct {
        const char *word;
        enum topic_kind kind;
        enum { MESSAGE, SUBSCRIBED, UNSUBSCRIBED } what;
    } pushes[] = {
        {"smessage", TOPIC_SHARDED, MESSAGE},          {"message", TOPIC_CLASSIC, MESSAGE},
        {"pmessage", TOPIC_PATTERN, MESSAGE},          {"ssubscribe", TOPIC_SHARDED, SUBSCRIBED},
        {"subscribe", TOPIC_CLASSIC, SUBSCRIBED},      {"psubscribe", TOPIC_PATTERN, SUBSCRIBED},
        {"sunsubscribe", TOPIC_SHARDED, UNSUBSCRIBED}, {"unsubscribe", TOPIC_CLASSIC, UNSUBSCRIBED},
        {"punsubscribe", TOPIC_PATTERN, UNSUBSCRIBED},
    };
    size_t i = 0, len = sizeof(pushes) / sizeof(*pushes);
    while (i < len && !resp_is(resp_item(value, 0), pushes[i].word)) i++;
    if (i == len) return;
    struct topic *topic = subscriber_find(feed->subscriber, pushes[i].kind, resp_item(value, 1)->text);
    if (!topic || topic->feed != feed) return; /* the topic is on another connection now */
    size_t name_at = pushes[i].kind == TOPIC_PATTERN ? 2 : 1;
    if (pushes[i].what == MESSAGE)
        show_message(topic, resp_item(value, name_at)->text, resp_item(value, name_at + 1)->text);
    else if (pushes[i].what == UNSUBSCRIBED)
        take_away(feed, topic);
    else if (topic->state == TOPIC_SUBSCRIBING)
        subscriber_topic_confirmed(topic);
}

static void take_error(struct subscriber_feed *feed, struct slice error) {
    struct redis *redis = feed->subscriber->redis;
    const struct verdict_row *row = verdict_of(error);
    unsigned slot;
    metric_add_labelled(METRIC_REDIS_ERRORS, row->code, 1);
    struct redis_node *to =
        row->verdict == VERDICT_MOVED ? redis_owners_redirected(redis, feed->address, error, &slot) : NULL;
    if (to)
        redis_owners_move(redis, slot, to);
    else
        LOG(LOG_WARNING, "redis.subscribe", LOG_TEXT("node", feed->address), LOG_SLICE("error", error));
    redis_look(redis);
}

static void end_batch(struct subscriber_feed *feed) {
    struct list *first = list_pop(&feed->batches), *link;
    if (!first) {
        redis_link_hang_up(&feed->redis_link, "an answer to nothing");
        return;
    }
    struct feed_batch *batch = CONTAINER(first, struct feed_batch, link);
    while ((link = list_pop(&batch->topics))) {
        feed->subscriber->refused |= topic_of(link)->state == TOPIC_SUBSCRIBING;
        subscriber_topic_homeless(topic_of(link));
    }
    free(batch);
}

/* "+PONG" without subscriptions, else ["pong", ""]. */
static bool is_pong(const struct redis_value *value) {
    return resp_is(value, "PONG") || resp_is(resp_item(value, 0), "pong");
}

static void feed_reply(struct redis_link *link, const struct redis_value *value) {
    struct subscriber_feed *feed = feed_of(link);
    if (is_pong(value))
        end_batch(feed);
    else if (value->type == REDIS_ERROR)
        take_error(feed, value->text);
    else
        take_push(feed, value);
}

static void feed_ready(struct redis_link *link) {
    subscriber_settle(feed_of(link)->subscriber);
}

static void feed_idle(struct redis_link *link) {
    send_batch(feed_of(link), new_batch(), NULL, 0);
}

void subscriber_feed_abandon(struct subscriber_feed *feed) {
    struct list topics, *link;
    list_init(&topics);
    list_splice(&topics, &feed->settled);
    list_splice(&topics, &feed->wanting);
    list_splice(&topics, &feed->leaving);
    while ((link = list_pop(&feed->batches))) {
        struct feed_batch *batch = CONTAINER(link, struct feed_batch, link);
        list_splice(&topics, &batch->topics);
        free(batch);
    }
    while ((link = list_pop(&topics))) subscriber_topic_homeless(topic_of(link));
}

static void feed_closed(struct redis_link *link, bool was_ready) {
    struct subscriber_feed *feed = feed_of(link);
    struct redis *redis = feed->subscriber->redis;
    subscriber_feed_abandon(feed);
    redis_look(redis);
}

struct subscriber_feed *subscriber_feed_new(struct subscriber *subscriber, const char *address, bool sharded) {
    static const struct redis_link_events events = {feed_ready, feed_reply, feed_idle, feed_closed};
    struct redis *redis = subscriber->redis;
    struct subscriber_feed *feed = NEW(struct subscriber_feed);
    feed->subscriber = subscriber;
    feed->address = memory_copy(address, strlen(address));
    feed->sharded = sharded;
    list_init(&feed->wanting);
    list_init(&feed->settled);
    list_init(&feed->leaving);
    list_init(&feed->batches);
    redis_link_init(&feed->redis_link, redis->loop, redis->resolver, address, &subscriber->link_settings, &events);
    redis_link_start(&feed->redis_link);
    list_append(&subscriber->feeds, &feed->link);
    return feed;
}

bool subscriber_feed_is_empty(const struct subscriber_feed *feed) {
    return list_empty(&feed->wanting) && list_empty(&feed->settled) && list_empty(&feed->leaving) &&
           list_empty(&feed->batches);
}

void subscriber_feed_free(struct subscriber_feed **owner) {
    struct subscriber_feed *feed = *owner;
    redis_link_done(&feed->redis_link);
    list_remove(&feed->link);
    free(feed->address);
    free(feed);
    *owner = NULL;
}
