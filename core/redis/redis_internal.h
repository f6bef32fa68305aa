/* SPDX-License-Identifier: Apache-2.0 */
/* redis_internal.h - the inside of a redis, shared by the files of this folder.
 *
 * A request waits in redis->queue until the node it belongs to has a ready lane, then in that lane until its reply.
 * A node is one server; who is a primary, and of which slots, the topology finds out. Without a Cluster one node owns
 * all slots.
 */
#ifndef REDIS_REDIS_INTERNAL_H
#define REDIS_REDIS_INTERNAL_H

#include "loop/loop.h"
#include "redis/redis.h"
#include "redis/redis_link.h"
#include "redis/redis_node.h"
#include "redis/redis_slots.h"
#include "redis/subscriber.h"

struct subscriber_feed;
struct map;
struct redis_topology;
struct redis_topology_ops {
    /* Finds out who the primaries are, soon; many wishes make one question. */
    void (*look)(struct redis_topology *topology);
    void (*free)(struct redis_topology *topology);
};
/* Embedded first in the implementation. */
struct redis_topology {
    const struct redis_topology_ops *ops;
    bool hopeless; /* nobody could tell at the last look */
};

/* Each begins to look. */
struct redis_topology *redis_sentinel_new(struct redis *redis);
struct redis_topology *redis_cluster_new(struct redis *redis);

/* Told at the end of the turn in which a slot got another owner. Embedded in who wants to know. */
struct redis_watch {
    struct list link;
    void (*moved)(struct redis_watch *watch);
};

struct redis {
    struct loop *loop;
    struct resolver *resolver;
    struct redis_settings settings; /* complete, its strings ours */
    struct redis_link_settings link_settings;
    const struct redis_events *events;
    void *owner;
    struct redis_topology *topology;
    struct list nodes, watches;
    struct redis_node **owners; /* of each slot; NULL: not known */
    struct list queue;          /* requests that wait for a lane, in their order */
    struct list paused;         /* requests that wait for their next attempt */
    struct list gatherings;     /* requests that are several */
    size_t pending_bytes;
    bool up, moved;
    struct loop_task route, review;
};

/* What changed: the queue is gone through, and the state reviewed, at the end of the turn. */
void redis_changed(struct redis *redis);
/* Asks the topology for a look. */
void redis_look(struct redis *redis);

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
    struct subscriber_feed *feed;
    struct list lingering; /* subscriber->lingering */
    uint64_t until_ms;     /* that it lingers */
    size_t key_len;
    char key[]; /* the kind as one byte, then the name */
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

/* What the subscriber's connections (subscriber_feed.h) ask and tell. */
struct slice subscriber_topic_name(const struct topic *topic);
struct topic *subscriber_find(const struct subscriber *subscriber, enum topic_kind kind, struct slice name);
void subscriber_settle(struct subscriber *subscriber);
void subscriber_topic_confirmed(struct topic *topic);
/* Its server does not have it (any more): it looks for another one, or is gone if nobody wants it. */
void subscriber_topic_homeless(struct topic *topic);

#endif
