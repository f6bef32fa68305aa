/* SPDX-License-Identifier: Apache-2.0 */
/* fleet.h - connects this worker with the others: sends scripts' actions to all workers, and applies the actions of
 * others here. */
#ifndef WORKER_FLEET_H
#define WORKER_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct bus_events;
struct shared_events;
struct state_events;
struct worker;

enum { FLEET_SESSION_MAX = 128 };

/* Which of a user's sockets get an event. */
enum fleet_reach {
    FLEET_ALL,
    FLEET_ABSENT,  /* those that do not follow the channel */
    FLEET_EXPELLED /* all; followers of the channel also stop following it */
};
struct fleet_news {
    struct slice user_id, channel_id; /* channel_id: not of FLEET_ALL */
    enum fleet_reach reach;
    struct slice args; /* JSON array, the event's name first */
    const struct slice *attachments;
    unsigned attachments_len;
};

/* Which of a user's sockets end, and how. */
struct fleet_ending {
    struct slice session; /* only those whose user has this "session"; empty: all */
    bool stays_away;      /* stock clients do not come back by themselves */
};

/* Their owner is a struct worker. */
extern const struct bus_events fleet_events;
extern const struct state_events fleet_state_events;

/* Subscribes; call when bus and hub exist. */
void fleet_join(struct worker *worker);

/* These act on this worker at once and publish to the others, without confirmation. They return the number of sockets
 * on this worker. An expulsion is repeated until the others must have received it; each worker applies it once. */
size_t fleet_emit_to_user(struct worker *worker, const struct fleet_news *news);
/* With a session, the message is repeated until the others must have received it: a deleted token must end all its
 * sockets. */
size_t fleet_disconnect_user(struct worker *worker, struct slice user_id, const struct fleet_ending *ending);
/* To every socket of every namespace, those of Node.js servers among them. args: as in fleet_news. */
void fleet_broadcast(struct worker *worker, struct slice args);
/* The namespaces that exist beside the main one, for clients and for Node.js servers. Replaces the list. */
void fleet_set_namespaces(struct worker *worker, const char *const *names, size_t len);
/* Removes the key from all workers' caches; version as in cache_remove. */
void fleet_invalidate(struct worker *worker, struct slice key, uint64_t version);
/* For a cache that workers share: removes the key here and in Redis, then tells the others. The owner of fleet_removals
 * is a struct worker. */
void fleet_invalidate_shared(struct worker *worker, struct slice key);
extern const struct shared_events fleet_removals;

#endif
