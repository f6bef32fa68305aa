/* SPDX-License-Identifier: Apache-2.0 */
/* redis_node.h - one server: its connections for commands and for publishing, and the requests that these carry. */
#ifndef REDIS_REDIS_NODE_H
#define REDIS_REDIS_NODE_H

#include "redis/redis_link.h"

struct redis;
struct redis_request;

enum lane_kind { LANE_COMMANDS, LANE_PUBLISHES, LANES };

/* Replies come in the order of what was sent. */
struct redis_lane {
    struct redis_link link;
    struct redis_node *node;
    struct list sent; /* redis_request */
    bool leaving;     /* nothing more is sent; closed when these are answered */
};

struct redis_node {
    struct list link; /* redis->nodes */
    struct redis *redis;
    char *address;
    struct redis_lane *lanes[LANES]; /* NULL until needed */
    bool primary;                    /* of something, as far as the topology knows */
    unsigned pins;                   /* requests that are for this node and no other */
};

/* "host:port"; made if there is none. NULL: that is no address. */
struct redis_node *redis_node_at(struct redis *redis, struct slice address);
/* Dialled, if it was not. */
struct redis_lane *redis_node_lane(struct redis_node *node, enum lane_kind kind);
bool redis_node_ready(const struct redis_node *node);
/* Its connections are closed and dialled again, each when what it has sent is answered. */
void redis_node_leave(struct redis_node *node);
/* Nobody needs it any more: no primary, nothing under way. */
bool redis_node_idle(const struct redis_node *node);
void redis_node_free(struct redis_node **node);

bool redis_lane_ready(const struct redis_lane *lane);
/* Lost, or never had, and dialling failed. */
bool redis_lane_away(const struct redis_lane *lane);
/* Ready only. The request is in lane->sent until its answer. */
void redis_lane_send(struct redis_lane *lane, struct redis_request *request);

#endif
