/* SPDX-License-Identifier: Apache-2.0 */
/* subscriber_feed.h - one connection of a subscriber, and the topics that it carries.
 *
 * Each command is followed by a PING: its answer ends the batch. Topics that the server has not confirmed by then were
 * refused. So nobody must guess which error belongs to which topic, and what a server says unasked confuses nothing.
 */
#ifndef REDIS_SUBSCRIBER_FEED_H
#define REDIS_SUBSCRIBER_FEED_H

#include "redis/redis_internal.h"

struct subscriber_feed {
    struct list link; /* subscriber->feeds */
    struct redis_link redis_link;
    struct subscriber *subscriber;
    char *address;
    bool sharded; /* else classic topics and patterns */
    struct list wanting, settled, leaving;
    struct list batches; /* in the order of their commands */
};

struct subscriber_feed *subscriber_feed_new(struct subscriber *subscriber, const char *address, bool sharded);
void subscriber_feed_free(struct subscriber_feed **feed);
/* No topic is on it. */
bool subscriber_feed_is_empty(const struct subscriber_feed *feed);
/* Everything on it becomes homeless. */
void subscriber_feed_abandon(struct subscriber_feed *feed);
/* Ready: what is wanting and leaving goes out, in batches. */
void subscriber_feed_send(struct subscriber_feed *feed);

#endif
