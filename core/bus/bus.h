/* SPDX-License-Identifier: Apache-2.0 */
/* bus.h - messages between workers, on this machine and on others, by topic.
 *
 * A message reaches every other worker that has subscribed to its topic, at most once, in the publisher's order for
 * that topic. It may be lost: where that matters, the owner detects what is missing. A worker does not receive its own
 * messages. Topics are bytes; only the owner knows their meaning. Drivers: bus_local.h, bus_redis.h.
 */
#ifndef BUS_BUS_H
#define BUS_BUS_H

#include <stdint.h>

#include "base/buffer.h"

struct bus;
struct loop;

/* The kind of a message. The numbers are on the wire: they never change meaning, and unknown ones are dropped. */
enum bus_kind {
    BUS_EVENT = 1, /* a committed event of a channel: seq, epoch, body [name, payload]; no body: too large, read it from
                      the store */
    BUS_EMIT = 2,  /* an emit to rooms: core/channel/relay.c */
    BUS_BROADCAST = 3,  /* an event to every socket: body [name, …] */
    BUS_USER_EMIT = 4,  /* an event to a user's sockets; for this and EXPULSION see core/worker/fleet.c */
    BUS_DISCONNECT = 5, /* disconnects a user's sockets */
    BUS_INVALIDATE = 6, /* an entry of the caches is out of date */
    BUS_PRESENCE = 7,   /* who is online where: core/presence/presence_sync.c */
    BUS_TRANSFER = 8,   /* a socket moves to another worker: core/session/transfer_taker.c */
    BUS_SURVEY = 9,     /* who is online anywhere: core/presence/survey.c */
    BUS_EXPULSION = 10, /* a user no longer follows a channel; their sockets get an event */
    BUS_KINDS           /* one more than the last */
};

struct bus_message {
    enum bus_kind kind;
    struct slice origin; /* received messages: the publisher's worker id */
    int64_t seq;         /* BUS_EVENT: 1 to 2^53 */
    struct slice epoch;  /* BUS_EVENT: 1 to BUS_EPOCH_MAX bytes */
    struct slice body;   /* at most BUS_BODY_MAX bytes; a body of an EVENT above BUS_EVENT_BODY_MAX is left out */
};
enum {
    BUS_TOPIC_MAX = 512,
    BUS_EPOCH_MAX = 31,
    BUS_BODY_MAX = 8 << 20,
    BUS_EVENT_BODY_MAX = 64 << 10,
    BUS_WORKER_ID_MAX = 96,
    BUS_DEGRADED_MS = 2000 /* how long a topic may be without a server before the bus is degraded */
};

/* Slices live until the call returns. Callbacks may subscribe, unsubscribe and publish, but not free the bus. */
struct bus_events {
    void (*received)(void *owner, struct slice topic, const struct bus_message *message);
    /* From now on messages of the topic arrive; earlier ones may be missing. Never called within bus_subscribe; called
     * again after each interruption. */
    void (*subscribed)(void *owner, struct slice topic);
    /* Degraded: messages are missing, or may be. Initially false. */
    void (*degraded)(void *owner, bool is_degraded);
};

struct bus_settings {
    const char *node;   /* the machine's name, the first 64 bytes count; NULL: the host name */
    const char *place;  /* on the machine, without dots; a successor has the same; NULL: the process id */
    const char *secret; /* each message must carry its HMAC-SHA-256 with this key; NULL: none */
    bool sharded;       /* Redis Cluster (7 or newer): sharded publish/subscribe */
};

void bus_free(struct bus **bus);

/* Unique for all time: "NODE.PLACE.INCARNATION". */
struct slice bus_worker_id(const struct bus *bus);
/* True: no other worker can exist, so nobody receives messages. */
bool bus_is_alone(const struct bus *bus);
bool bus_is_degraded(const struct bus *bus);
/* Appends a description of what is wrong; nothing when all is well. */
void bus_write_detail(const struct bus *bus, struct buffer *out);

/* topic: up to BUS_TOPIC_MAX bytes; copied. Subscribing twice has no further effect. After an unsubscribe, Redis still
 * delivers the topic's messages for a few seconds (members come and go), but they are dropped. */
void bus_subscribe(struct bus *bus, struct slice topic);
void bus_unsubscribe(struct bus *bus, struct slice topic);
/* The caller sets kind and body, and for BUS_EVENT seq and epoch. False: the body is too large. */
bool bus_publish(struct bus *bus, struct slice topic, const struct bus_message *message) MUST_CHECK;

#endif
