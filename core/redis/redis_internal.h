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
#include "redis/slot.h"

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
struct redis_topology *redis_standalone_new(struct redis *redis);
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

struct slot_range {
    unsigned first, last;
    struct redis_node *node;
};
/* The whole truth: primaries are the nodes of these ranges, and no others. */
void redis_owners_set(struct redis *redis, const struct slot_range *ranges, size_t len);
/* One slot's (MOVED). */
void redis_owners_move(struct redis *redis, unsigned slot, struct redis_node *node);
/* ANY_SLOT: one that is ready, if there is. NULL: not known. */
struct redis_node *redis_owner(const struct redis *redis, unsigned slot);
/* The node that MOVED or ASK names; without a host it is the one that was asked, at another port. NULL: it names none.
 */
struct redis_node *redis_redirected(struct redis *redis, const char *asked, struct slice error, unsigned *slot_r);

#endif
