/* SPDX-License-Identifier: Apache-2.0 */
/* redis_node.h - one server: its connections for commands and for publishing, and the requests on them. */
#ifndef REDIS_REDIS_NODE_H
#define REDIS_REDIS_NODE_H

#include "redis/redis_link.h"

struct redis;
struct redis_request;

enum lane_kind { LANE_COMMANDS, LANE_PUBLISHES, LANES };

/* A connection. Replies come in the order of the commands. */
struct redis_lane {
    struct redis_link link;
    struct redis_node *node;
    struct list sent; /* redis_request */
    bool leaving;     /* sends nothing more; closed when all in sent are answered */
};

struct redis_node {
    struct list link; /* redis->nodes */
    struct redis *redis;
    char *address;
    struct redis_lane *lanes[LANES]; /* NULL until needed */
    bool primary;                    /* of any slot, as far as the topology knows */
    unsigned pins;                   /* requests bound to this node */
};

/* Finds or creates the node at "host:port". NULL: not a valid address. */
struct redis_node *redis_node_at(struct redis *redis, struct slice address);
/* Finds or creates the lane, and dials it. */
struct redis_lane *redis_node_lane(struct redis_node *node, enum lane_kind kind);
bool redis_node_ready(const struct redis_node *node);
/* Closes and redials each connection once what it has sent is answered. */
void redis_node_leave(struct redis_node *node);
/* True: it can be freed: not a primary, no request pending. */
bool redis_node_idle(const struct redis_node *node);
void redis_node_free(struct redis_node **node);

bool redis_lane_ready(const struct redis_lane *lane);
/* Not connected, and dialling has failed. */
bool redis_lane_away(const struct redis_lane *lane);
/* The lane must be ready. The request stays in lane->sent until its answer. */
void redis_lane_send(struct redis_lane *lane, struct redis_request *request);

#endif
