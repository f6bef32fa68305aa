/* SPDX-License-Identifier: Apache-2.0 */
/* subscriber_feed.h - one connection of a subscriber, and the topics on it.
 *
 * A PING follows each command; its answer ends the batch. Topics not confirmed by then were refused. So no error needs
 * to be matched to a topic, and unsolicited messages of a server do no harm.
 */
#ifndef REDIS_SUBSCRIBER_FEED_H
#define REDIS_SUBSCRIBER_FEED_H

#include "redis/redis_internal.h"

struct subscriber_feed {
    struct list link; /* subscriber->feeds */
    struct redis_link redis_link;
    struct subscriber *subscriber;
    char *address;
    bool sharded; /* false: classic topics and patterns */
    struct list wanting, settled, leaving;
    struct list batches; /* in the order of their commands */
};

struct subscriber_feed *subscriber_feed_new(struct subscriber *subscriber, const char *address, bool sharded);
void subscriber_feed_free(struct subscriber_feed **feed);
/* True: it has no topics. */
bool subscriber_feed_is_empty(const struct subscriber_feed *feed);
/* All its topics become homeless. */
void subscriber_feed_abandon(struct subscriber_feed *feed);
/* Connection must be ready: sends wanting and leaving topics in batches. */
void subscriber_feed_send(struct subscriber_feed *feed);

#endif
