/* SPDX-License-Identifier: Apache-2.0 */
/* fleet.h - this worker among all others: what scripts do to all of them, and what others do to this one. */
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

/* An event to a user's sockets. */
enum fleet_reach {
    FLEET_ALL,
    FLEET_ABSENT,  /* those that do not follow the channel */
    FLEET_EXPELLED /* all; and those that follow the channel do so no more */
};
struct fleet_news {
    struct slice user_id, channel_id; /* channel_id: not of FLEET_ALL */
    enum fleet_reach reach;
    struct slice args; /* JSON array, the event's name first */
    const struct slice *attachments;
    unsigned attachments_len;
};

/* Of a user's sockets, which end and how. */
struct fleet_ending {
    struct slice session; /* only those whose user has this "session"; empty: all */
    bool stays_away;      /* stock clients do not come back by themselves */
};

/* Their owner is a struct worker. */
extern const struct bus_events fleet_events;
extern const struct state_events fleet_state_events;

/* Listens, once bus and hub are there. */
void fleet_join(struct worker *worker);

/* Each acts on this worker at once and tells the others, who act when they hear of it: nothing says that they did.
 * How many sockets of this worker. An expulsion is said again and again, until the others must have heard it, and each
 * acts on it once. */
size_t fleet_emit_to_user(struct worker *worker, const struct fleet_news *news);
/* Of a session it is said again and again, until the others must have heard it: a deleted token lets nobody stay. */
size_t fleet_disconnect_user(struct worker *worker, struct slice user_id, const struct fleet_ending *ending);
/* To every socket of every namespace, those of Node.js servers among them. args: as in fleet_news. */
void fleet_broadcast(struct worker *worker, struct slice args);
/* The namespaces that exist beside the main one, for clients and for Node.js servers. Replaces the list. */
void fleet_set_namespaces(struct worker *worker, const char *const *names, size_t len);
/* The entry of that key leaves the caches: a version as in cache_remove. */
void fleet_invalidate(struct worker *worker, struct slice key, uint64_t version);
/* Of a cache that workers share: first here and in Redis; the others hear when it is gone there. Their owner is a
 * struct worker. */
void fleet_invalidate_shared(struct worker *worker, struct slice key);
extern const struct shared_events fleet_removals;

#endif
