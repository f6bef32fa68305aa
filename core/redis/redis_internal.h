/* SPDX-License-Identifier: Apache-2.0 */
/* redis_internal.h - the internals of redis, shared by the files of this folder.
 *
 * A request waits in redis->queue until its node has a ready lane, then in that lane until its reply. A node is one
 * server; the topology finds out which nodes are primaries, and of which slots. Without a Cluster one node owns all
 * slots.
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
    /* Finds out soon which nodes are primaries; several calls lead to one look. */
    void (*look)(struct redis_topology *topology);
    void (*free)(struct redis_topology *topology);
};
/* Must be the first member of the implementation. */
struct redis_topology {
    const struct redis_topology_ops *ops;
    bool hopeless; /* the last look got no answer from any server */
};

/* Both begin to look at once. */
struct redis_topology *redis_sentinel_new(struct redis *redis);
struct redis_topology *redis_cluster_new(struct redis *redis);

/* Called at the end of a turn in which a slot got another owner. Embedded in the watcher. */
struct redis_watch {
    struct list link;
    void (*moved)(struct redis_watch *watch);
};

struct redis {
    struct loop *loop;
    struct resolver *resolver;
    struct redis_settings settings; /* complete; strings owned by redis */
    struct redis_link_settings link_settings;
    const struct redis_events *events;
    void *owner;
    struct redis_topology *topology;
    struct list nodes, watches;
    struct redis_node **owners; /* by slot; NULL: unknown */
    struct list queue;          /* requests that wait for a lane, in order */
    struct list paused;         /* requests that wait for their next attempt */
    struct list gatherings;     /* requests that run on several nodes */
    size_t pending_bytes;
    bool up, moved;
    struct loop_task route, review;
};

/* Call after a change: at the end of the turn the queue is routed and the up state updated. */
void redis_changed(struct redis *redis);
/* Asks the topology for a look. */
void redis_look(struct redis *redis);

enum topic_state {
    TOPIC_WANTED,       /* no server has it; in subscriber->homeless or feed->wanting */
    TOPIC_SUBSCRIBING,  /* in a batch */
    TOPIC_SUBSCRIBED,   /* in feed->settled */
    TOPIC_LEAVING,      /* to be unsubscribed; in feed->leaving */
    TOPIC_UNSUBSCRIBING /* in a batch */
};

struct topic {
    struct list link;
    enum topic_state state;
    enum topic_kind kind;
    bool wanted;
    unsigned slot;
    struct subscriber_feed *feed;
    struct list lingering; /* in subscriber->lingering */
    uint64_t until_ms;     /* end of lingering */
    size_t key_len;
    char key[]; /* the kind in one byte, then the name */
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
    bool refused;      /* a topic was refused since the last attempt */
    unsigned failures; /* consecutive attempts with refusals and without a confirmation */
};

/* For the subscriber's connections (subscriber_feed.h). */
struct slice subscriber_topic_name(const struct topic *topic);
struct topic *subscriber_find(const struct subscriber *subscriber, enum topic_kind kind, struct slice name);
void subscriber_settle(struct subscriber *subscriber);
void subscriber_topic_confirmed(struct topic *topic);
/* Call when its server does not (or no longer) have it: it moves to another server, or is freed if not wanted. */
void subscriber_topic_homeless(struct topic *topic);

#endif
