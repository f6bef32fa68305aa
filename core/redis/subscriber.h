/* SPDX-License-Identifier: Apache-2.0 */
/* subscriber.h - keeps this process subscribed to the topics it wants, through server changes.
 *
 * One connection for classic topics and patterns, one per primary for sharded topics; SSUBSCRIBE is batched by slot.
 * When a topic loses its server (a lost connection, a failover, a moved slot), it is subscribed again at the right
 * server. Messages sent in between are lost: `lost` and `subscribed` tell the owner to look for gaps. The owner counts
 * the users of a topic.
 */
#ifndef REDIS_SUBSCRIBER_H
#define REDIS_SUBSCRIBER_H

#include <stdint.h>

#include "base/slice.h"

struct redis;
struct subscriber;

enum topic_kind { TOPIC_CLASSIC, TOPIC_PATTERN, TOPIC_SHARDED };

/* Slices live until the call returns. Callbacks may want and drop topics, but not free the subscriber. `message` runs
 * while bytes are read: it must be quick, or Redis closes the connection (client-output-buffer-limit pubsub). */
struct subscriber_events {
    /* pattern: for a TOPIC_PATTERN, else SLICE_NONE. */
    void (*message)(void *owner, enum topic_kind kind, struct slice pattern, struct slice topic, struct slice payload);
    /* The server confirmed the topic: the first time, and again after each `lost`. */
    void (*subscribed)(void *owner, enum topic_kind kind, struct slice topic);
    /* The subscription is lost; messages published from now on are missed until `subscribed`. */
    void (*lost)(void *owner, enum topic_kind kind, struct slice topic);
};

/* 0 means the default. */
struct subscriber_settings {
    unsigned linger_ms; /* how long a dropped topic stays subscribed (its messages are dropped); 2,000 */
    size_t reply_bytes; /* a larger message ends the connection; 16 MiB */
};

/* redis and events must outlive it. It uses redis's topology, not its connections. */
struct subscriber *subscriber_new(struct redis *redis, const struct subscriber_settings *settings,
                                  const struct subscriber_events *events, void *owner);
void subscriber_free(struct subscriber **subscriber);

/* topic is copied; wanting twice has no further effect. True: already subscribed, and no `subscribed` follows;
 * `subscribed` never runs within the call. */
bool subscriber_want(struct subscriber *subscriber, enum topic_kind kind, struct slice topic);
/* Stops its messages. If it is wanted again while it lingers, it is still subscribed. Harmless for a topic not
 * wanted. */
void subscriber_drop(struct subscriber *subscriber, enum topic_kind kind, struct slice topic);
/* True: wanted, and confirmed by the server. */
bool subscriber_has(const struct subscriber *subscriber, enum topic_kind kind, struct slice topic);
/* Reconnects to every server: for an owner whose own probes do not come back. */
void subscriber_reconnect(struct subscriber *subscriber);

#endif
