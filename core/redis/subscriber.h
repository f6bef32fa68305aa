/* SPDX-License-Identifier: Apache-2.0 */
/* subscriber.h - the topics that this process wants to hear, whatever happens to the servers.
 *
 * One connection for classic topics and patterns, one a primary for sharded topics; SSUBSCRIBE goes in batches of one
 * slot. A topic that a lost connection, a failover or a moved slot took away is subscribed again where it belongs now.
 * Messages of the time between are gone: `lost` and `subscribed` tell the owner to look for gaps.
 * Counting who wants a topic is the owner's.
 */
#ifndef REDIS_SUBSCRIBER_H
#define REDIS_SUBSCRIBER_H

#include <stdint.h>

#include "base/slice.h"

struct redis;
struct subscriber;

enum topic_kind { TOPIC_CLASSIC, TOPIC_PATTERN, TOPIC_SHARDED };

/* Slices live until the call returns. Callbacks may want and drop topics, not free the subscriber. `message` runs as
 * bytes are read: it must be quick, or Redis closes the connection (client-output-buffer-limit pubsub). */
struct subscriber_events {
    /* pattern: of a TOPIC_PATTERN, else SLICE_NONE. */
    void (*message)(void *owner, enum topic_kind kind, struct slice pattern, struct slice topic, struct slice payload);
    /* The server confirmed it: at first, and again after each `lost`. */
    void (*subscribed)(void *owner, enum topic_kind kind, struct slice topic);
    /* It was subscribed; what is published from now on is missed until `subscribed`. */
    void (*lost)(void *owner, enum topic_kind kind, struct slice topic);
};

/* 0 stands for the default. */
struct subscriber_settings {
    unsigned linger_ms; /* a dropped topic stays subscribed for so long (its messages are not shown); 2,000 */
    size_t reply_bytes; /* a larger message ends the connection; 16 MiB */
};

/* redis and events outlive it; it shares redis's knowledge of the servers, not its connections. */
struct subscriber *subscriber_new(struct redis *redis, const struct subscriber_settings *settings,
                                  const struct subscriber_events *events, void *owner);
void subscriber_free(struct subscriber **subscriber);

/* topic is copied; wanting twice is wanting once. True: it is subscribed already and no `subscribed` follows;
 * `subscribed` never runs within the call. */
bool subscriber_want(struct subscriber *subscriber, enum topic_kind kind, struct slice topic);
/* No more messages of it. Wanted again while it lingers, it is still subscribed. Harmless for a topic not wanted. */
void subscriber_drop(struct subscriber *subscriber, enum topic_kind kind, struct slice topic);
/* Wanted and confirmed by the server. */
bool subscriber_has(const struct subscriber *subscriber, enum topic_kind kind, struct slice topic);
/* Hangs up on every server and begins anew: for an owner whose own probes do not come back. */
void subscriber_reconnect(struct subscriber *subscriber);

#endif
