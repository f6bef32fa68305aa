/* SPDX-License-Identifier: Apache-2.0 */
#include "redis/subscriber.h"

#include <stdlib.h>

#include "base/map.h"
#include "redis/redis_owners.h"
#include "redis/redis_request.h"
#include "redis/subscriber_feed.h"

enum {
    LINGER_MS = 2000,
    REPLY_BYTES = 16 * 1048576,
    REFUSALS = 3, /* after so many in a row the next attempt is delayed */
    RETRY_FIRST_MS = 20,
    RETRY_MOST_MS = 1000
};

/* --- topics --- */

struct slice subscriber_topic_name(const struct topic *topic) {
    return (struct slice){topic->key + 1, topic->key_len - 1};
}

struct topic *subscriber_find(const struct subscriber *subscriber, enum topic_kind kind, struct slice name) {
    char few[256], *key = name.len < sizeof(few) ? few : memory_new(1 + name.len);
    key[0] = (char)kind;
    if (name.len) memcpy(key + 1, name.ptr, name.len);
    struct topic *topic = map_find(subscriber->topics, (struct slice){key, 1 + name.len});
    if (key != few) free(key);
    return topic;
}

static struct topic *new_topic(struct subscriber *subscriber, enum topic_kind kind, struct slice name) {
    struct topic *topic = memory_new(sizeof(*topic) + 1 + name.len);
    topic->kind = kind;
    topic->wanted = true;
    topic->slot = kind == TOPIC_SHARDED ? redis_slots_of_key(name) : ANY_SLOT;
    topic->key_len = 1 + name.len;
    topic->key[0] = (char)kind;
    if (name.len) memcpy(topic->key + 1, name.ptr, name.len);
    list_init(&topic->lingering);
    list_append(&subscriber->homeless, &topic->link);
    map_put(subscriber->topics, (struct slice){topic->key, topic->key_len}, topic);
    return topic;
}

static void free_topic(struct subscriber *subscriber, struct topic *topic) {
    map_remove(subscriber->topics, (struct slice){topic->key, topic->key_len});
    list_remove(&topic->link);
    list_remove(&topic->lingering);
    free(topic);
}

/* Tells the owner, if the topic was subscribed until now. */
static void tell_lost(const struct subscriber *subscriber, struct topic *topic, bool was_heard) {
    if (was_heard && topic->wanted)
        subscriber->events->lost(subscriber->owner, topic->kind, subscriber_topic_name(topic));
}

void subscriber_topic_homeless(struct topic *topic) {
    struct subscriber *subscriber = topic->feed->subscriber;
    bool was_heard = topic->state == TOPIC_SUBSCRIBED;
    list_remove(&topic->link);
    if (!topic->wanted) {
        free_topic(subscriber, topic);
        return;
    }
    topic->state = TOPIC_WANTED;
    topic->feed = NULL;
    list_append(&subscriber->homeless, &topic->link);
    subscriber_settle(subscriber);
    tell_lost(subscriber, topic, was_heard);
}

static void leave(struct topic *topic) {
    bool was_heard = topic->state == TOPIC_SUBSCRIBED;
    topic->state = TOPIC_LEAVING;
    list_remove(&topic->link);
    list_append(&topic->feed->leaving, &topic->link);
    subscriber_settle(topic->feed->subscriber);
    tell_lost(topic->feed->subscriber, topic, was_heard);
}

static bool belongs_to(const struct topic *topic, const struct subscriber_feed *feed) {
    const struct redis_node *owner = redis_owners_find(feed->subscriber->redis, topic->slot);
    return topic->slot == ANY_SLOT || (owner && strcmp(owner->address, feed->address) == 0);
}

void subscriber_topic_confirmed(struct topic *topic) {
    struct subscriber *subscriber = topic->feed->subscriber;
    subscriber->failures = 0;
    topic->state = TOPIC_SUBSCRIBED;
    list_remove(&topic->link);
    list_append(&topic->feed->settled, &topic->link);
    if (topic->wanted) subscriber->events->subscribed(subscriber->owner, topic->kind, subscriber_topic_name(topic));
}

/* --- where each topic belongs --- */

static bool is_primary(const struct redis *redis, const char *address) {
    LIST_EACH(&redis->nodes, link) {
        const struct redis_node *node = CONTAINER(link, struct redis_node, link);
        if (node->primary && strcmp(node->address, address) == 0) return true;
    }
    return false;
}

/* Classic topics stay on their server while it can be reached: all nodes of a Cluster receive every message. */
static struct subscriber_feed *feed_for(struct subscriber *subscriber, const struct topic *topic) {
    const struct redis_node *owner = redis_owners_find(subscriber->redis, topic->slot);
    bool sharded = topic->kind == TOPIC_SHARDED;
    LIST_EACH(&subscriber->feeds, link) {
        struct subscriber_feed *feed = CONTAINER(link, struct subscriber_feed, link);
        bool is_at_owner = owner && strcmp(owner->address, feed->address) == 0;
        if (feed->sharded == sharded && (is_at_owner || (!sharded && feed->redis_link.failures == 0))) return feed;
    }
    return owner ? subscriber_feed_new(subscriber, owner->address, sharded) : NULL;
}

static void place_homeless(struct subscriber *subscriber) {
    struct list topics, *link;
    list_init(&topics);
    list_splice(&topics, &subscriber->homeless);
    while ((link = list_pop(&topics))) {
        struct topic *topic = CONTAINER(link, struct topic, link);
        topic->feed = feed_for(subscriber, topic);
        list_append(topic->feed ? &topic->feed->wanting : &subscriber->homeless, &topic->link);
    }
}

/* Frees feeds that have no topics and whose server does not answer. */
static void free_useless(struct subscriber *subscriber) {
    LIST_EACH(&subscriber->feeds, link) {
        struct subscriber_feed *feed = CONTAINER(link, struct subscriber_feed, link);
        if (feed->redis_link.failures > 0 && subscriber_feed_is_empty(feed)) subscriber_feed_free(&feed);
    }
}

static void settle(struct loop_task *task) {
    struct subscriber *subscriber = CONTAINER(task, struct subscriber, settle);
    subscriber->failures += subscriber->refused;
    subscriber->refused = false;
    place_homeless(subscriber);
    free_useless(subscriber);
    LIST_EACH(&subscriber->feeds, link) subscriber_feed_send(CONTAINER(link, struct subscriber_feed, link));
}

/* At once, or with a delay while servers refuse. */
void subscriber_settle(struct subscriber *subscriber) {
    if (subscriber->failures <= REFUSALS)
        loop_flush(subscriber->redis->loop, &subscriber->settle);
    else if (!loop_timer_pending(&subscriber->retry))
        loop_timer_set(&subscriber->retry, redis_link_backoff_ms(subscriber->failures, RETRY_FIRST_MS, RETRY_MOST_MS));
}

static void retry(struct loop_timer *timer) {
    struct subscriber *subscriber = CONTAINER(timer, struct subscriber, retry);
    loop_flush(subscriber->redis->loop, &subscriber->settle);
}

/* Finds topics that now belong to another server. A server that is being asked to subscribe will answer MOVED
 * itself. */
static void look_through(struct subscriber_feed *feed) {
    LIST_EACH(&feed->wanting, link) {
        struct topic *topic = CONTAINER(link, struct topic, link);
        if (!belongs_to(topic, feed)) subscriber_topic_homeless(topic);
    }
    struct list settled, *link;
    list_init(&settled);
    list_splice(&settled, &feed->settled);
    while ((link = list_pop(&settled))) {
        struct topic *topic = CONTAINER(link, struct topic, link);
        list_append(&feed->settled, &topic->link);
        if (!belongs_to(topic, feed)) leave(topic);
    }
}

static void owners_moved(struct redis_watch *watch) {
    struct subscriber *subscriber = CONTAINER(watch, struct subscriber, watch);
    LIST_EACH(&subscriber->feeds, link) {
        struct subscriber_feed *feed = CONTAINER(link, struct subscriber_feed, link);
        if (is_primary(subscriber->redis, feed->address)) {
            look_through(feed);
        } else {
            subscriber_feed_abandon(feed);
            subscriber_feed_free(&feed);
        }
    }
    subscriber_settle(subscriber);
}

/* --- what the owner wants --- */

static void end_lingering(struct loop_timer *timer) {
    struct subscriber *subscriber = CONTAINER(timer, struct subscriber, linger);
    uint64_t now_ms = loop_now_ms(subscriber->redis->loop);
    LIST_EACH(&subscriber->lingering, link) {
        struct topic *topic = CONTAINER(link, struct topic, lingering);
        if (topic->until_ms > now_ms) {
            loop_timer_set(timer, topic->until_ms - now_ms);
            return;
        }
        if (topic->state == TOPIC_SUBSCRIBING) { /* its answer will still come */
            loop_timer_set(timer, subscriber->linger_ms);
            return;
        }
        list_remove(&topic->lingering);
        if (topic->state == TOPIC_SUBSCRIBED) leave(topic);
    }
}

bool subscriber_want(struct subscriber *subscriber, enum topic_kind kind, struct slice name) {
    struct topic *topic = subscriber_find(subscriber, kind, name);
    if (!topic) {
        new_topic(subscriber, kind, name);
        subscriber_settle(subscriber);
        return false;
    }
    topic->wanted = true;
    list_remove(&topic->lingering);
    return topic->state == TOPIC_SUBSCRIBED;
}

void subscriber_drop(struct subscriber *subscriber, enum topic_kind kind, struct slice name) {
    struct topic *topic = subscriber_find(subscriber, kind, name);
    if (!topic || !topic->wanted) return;
    if (topic->state == TOPIC_WANTED) {
        free_topic(subscriber, topic);
        return;
    }
    topic->wanted = false;
    topic->until_ms = loop_now_ms(subscriber->redis->loop) + subscriber->linger_ms;
    list_append(&subscriber->lingering, &topic->lingering);
    if (!loop_timer_pending(&subscriber->linger)) loop_timer_set(&subscriber->linger, subscriber->linger_ms);
}

bool subscriber_has(const struct subscriber *subscriber, enum topic_kind kind, struct slice name) {
    const struct topic *topic = subscriber_find(subscriber, kind, name);
    return topic && topic->wanted && topic->state == TOPIC_SUBSCRIBED;
}

void subscriber_reconnect(struct subscriber *subscriber) {
    LIST_EACH(&subscriber->feeds, link)
    redis_link_hang_up(&CONTAINER(link, struct subscriber_feed, link)->redis_link, "its owner hears nothing");
}

struct subscriber *subscriber_new(struct redis *redis, const struct subscriber_settings *settings,
                                  const struct subscriber_events *events, void *owner) {
    struct subscriber *subscriber = NEW(struct subscriber);
    subscriber->redis = redis;
    subscriber->link_settings = redis->link_settings;
    subscriber->link_settings.reply_bytes = settings->reply_bytes ? settings->reply_bytes : REPLY_BYTES;
    subscriber->linger_ms = settings->linger_ms ? settings->linger_ms : LINGER_MS;
    subscriber->events = events;
    subscriber->owner = owner;
    subscriber->topics = map_new();
    list_init(&subscriber->feeds);
    list_init(&subscriber->homeless);
    list_init(&subscriber->lingering);
    loop_task_init(&subscriber->settle, settle);
    loop_timer_init(&subscriber->linger, redis->loop, end_lingering);
    loop_timer_init(&subscriber->retry, redis->loop, retry);
    subscriber->watch.moved = owners_moved;
    list_append(&redis->watches, &subscriber->watch.link);
    return subscriber;
}

void subscriber_free(struct subscriber **owner) {
    struct subscriber *subscriber = *owner;
    struct topic *topic;
    size_t cursor = 0;
    if (!subscriber) return;
    while ((topic = map_next(subscriber->topics, &cursor))) topic->wanted = false;
    LIST_EACH(&subscriber->feeds, link) {
        struct subscriber_feed *feed = CONTAINER(link, struct subscriber_feed, link);
        subscriber_feed_abandon(feed);
        subscriber_feed_free(&feed);
    }
    LIST_EACH(&subscriber->homeless, link) free_topic(subscriber, CONTAINER(link, struct topic, link));
    list_remove(&subscriber->watch.link);
    loop_task_cancel(&subscriber->settle);
    loop_timer_cancel(&subscriber->linger);
    loop_timer_cancel(&subscriber->retry);
    map_free(&subscriber->topics);
    free(subscriber);
    *owner = NULL;
}
