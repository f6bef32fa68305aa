/* subscriber_feed.h - one connection of a subscriber, and the topics that it carries. For core/redis/subscriber*.c.
 *
 * Each command is followed by a PING: its answer ends the batch. Topics that the server has not confirmed by then were
 * refused. So nobody must guess which error belongs to which topic, and what a server says unasked confuses nothing.
 */
#ifndef REDIS_SUBSCRIBER_FEED_H
#define REDIS_SUBSCRIBER_FEED_H

#include "redis/redis_internal.h"
#include "redis/subscriber.h"

struct map;

enum topic_state {
    TOPIC_WANTED,       /* no server has it: in subscriber->homeless or feed->wanting */
    TOPIC_SUBSCRIBING,  /* in a batch */
    TOPIC_SUBSCRIBED,   /* in feed->settled */
    TOPIC_LEAVING,      /* to be unsubscribed: in feed->leaving */
    TOPIC_UNSUBSCRIBING /* in a batch */
};

struct topic {
    struct list link;
    enum topic_state state;
    enum topic_kind kind;
    bool wanted;
    unsigned slot;
    struct feed *feed;
    struct list lingering; /* subscriber->lingering */
    uint64_t until_ms;     /* that it lingers */
    size_t key_len;
    char key[]; /* the kind as one byte, then the name */
};

struct feed {
    struct list link; /* subscriber->feeds */
    struct redis_link redis_link;
    struct subscriber *subscriber;
    char *address;
    bool sharded; /* else classic topics and patterns */
    struct list wanting, settled, leaving;
    struct list batches; /* in the order of their commands */
};

struct subscriber {
    struct redis *redis;
    struct redis_link_settings link_settings;
    const struct subscriber_events *events;
    void *owner;
    unsigned linger_ms;
    struct map *topics; /* by key */
    struct list feeds, homeless, lingering;
    struct redis_watch watch;
    struct loop_task settle;
    struct loop_timer linger, retry;
    bool refused;      /* something was, since the last attempt */
    unsigned failures; /* attempts in a row with refusals and without a confirmation */
};

struct slice topic_name(const struct topic *topic);

/* subscriber.c: what a feed tells. */
struct topic *subscriber_find(const struct subscriber *subscriber, enum topic_kind kind, struct slice name);
void subscriber_settle(struct subscriber *subscriber);
void topic_confirmed(struct topic *topic);
/* Its server does not have it (any more): it looks for another one, or is gone if nobody wants it. */
void topic_homeless(struct topic *topic);

/* subscriber_feed.c */
struct feed *feed_new(struct subscriber *subscriber, const char *address, bool sharded);
void feed_free(struct feed **feed);
/* No topic is on it. */
bool feed_is_empty(const struct feed *feed);
/* Everything on it becomes homeless. */
void feed_abandon(struct feed *feed);
/* Ready: what is wanting and leaving goes out, in batches. */
void feed_send(struct feed *feed);

#endif
