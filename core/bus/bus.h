/* SPDX-License-Identifier: Apache-2.0 */
/* bus.h - how workers hear of each other, on this machine and on others: messages on topics.
 *
 * A message reaches every other worker that has subscribed its topic, at most once (it may be lost; the owner finds out
 * what is missing where that matters) and in the order in which its publisher sent those of the topic. Nobody hears
 * himself. Topics are bytes: what they mean is the owner's. Drivers: bus_local.h, bus_redis.h.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include <stdint.h>

#include "base/buffer.h"

struct bus;
struct loop;

/* What messages are about. Numbers are on the wire: they keep their meaning for ever, and unknown ones are dropped. */
enum bus_kind {
    BUS_EVENT = 1,      /* a committed event of a channel: seq, epoch, body [name, payload]; no body: it is too large,
                           read it from the store */
    BUS_EMIT = 2,       /* an emit to rooms: core/channel/relay.c */
    BUS_BROADCAST = 3,  /* an event to every socket: body [name, …] */
    BUS_USER_EMIT = 4,  /* an event to a user's sockets: these and EXPULSION, core/worker/fleet.c */
    BUS_DISCONNECT = 5, /* a user's sockets end */
    BUS_INVALIDATE = 6, /* an entry of the caches is not so any more */
    BUS_PRESENCE = 7,   /* who is online where: core/presence/presence_sync.c */
    BUS_TRANSFER = 8,   /* a socket moves to another worker: core/session/transfer_taker.c */
    BUS_SURVEY = 9,     /* who is online anywhere: core/presence/survey.c */
    BUS_EXPULSION = 10, /* a user follows a channel no more, and their sockets get an event */
    BUS_KINDS           /* one more than the last */
};

struct bus_message {
    enum bus_kind kind;
    struct slice origin; /* received ones: the publisher's worker id */
    int64_t seq;         /* BUS_EVENT: 1 to 2^53 */
    struct slice epoch;  /* BUS_EVENT: 1 to BUS_EPOCH_MAX bytes */
    struct slice body;   /* at most BUS_BODY_MAX bytes; of an EVENT, more than BUS_EVENT_BODY_MAX are left out */
};
enum {
    BUS_TOPIC_MAX = 512,
    BUS_EPOCH_MAX = 31,
    BUS_BODY_MAX = 8 << 20,
    BUS_EVENT_BODY_MAX = 64 << 10,
    BUS_WORKER_ID_MAX = 96,
    BUS_DEGRADED_MS = 2000 /* so long may a topic be without a server before the bus is degraded */
};

/* Slices live until the call returns. Callbacks may subscribe, unsubscribe and publish; not free the bus. */
struct bus_events {
    void (*received)(void *owner, struct slice topic, const struct bus_message *message);
    /* From now on messages of the topic arrive; those of before may be missing. Not within bus_subscribe, and
     * again whenever an interruption is over. */
    void (*subscribed)(void *owner, struct slice topic);
    /* Degraded: messages are missing, or may be. Begins as false. */
    void (*degraded)(void *owner, bool is_degraded);
};

struct bus_settings {
    const char *node;  /* the machine's name, at most 64 bytes of it; NULL: what the host calls itself */
    const char *place; /* of the worker on it, no dot in it: who comes after it there has the same; NULL: the process */
    const char *secret; /* messages carry and must bear its HMAC-SHA-256; NULL: none */
    bool sharded;       /* Redis Cluster (7 or newer): sharded publish/subscribe */
};

void bus_free(struct bus **bus);

/* Unique among all workers that ever were: "NODE.PLACE.INCARNATION". */
struct slice bus_worker_id(const struct bus *bus);
/* No other worker can exist: there is nobody to publish to. */
bool bus_is_alone(const struct bus *bus);
bool bus_is_degraded(const struct bus *bus);
/* Appends what is wrong, in words; nothing when nothing is. */
void bus_write_detail(const struct bus *bus, struct buffer *out);

/* topic: up to BUS_TOPIC_MAX bytes; copied. Subscribing twice is subscribing once. An unsubscribed topic's messages
 * still travel for a few seconds (members come and go), but are not received. */
void bus_subscribe(struct bus *bus, struct slice topic);
void bus_unsubscribe(struct bus *bus, struct slice topic);
/* kind, body, and for BUS_EVENT seq and epoch are the caller's to set. False: the body is too large. */
bool bus_publish(struct bus *bus, struct slice topic, const struct bus_message *message) MUST_CHECK;

#endif
