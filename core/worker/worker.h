/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - all that one worker process is made of: what main.c puts together and what the Lua bindings act on. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/ids.h"
#include "worker/script_health.h"

struct adapter;
struct presence_broadcast;
struct admission_control;
struct budget;
struct bus;
struct cache;
struct channel_log;
struct config;
struct dialer;
struct expulsions;
struct fleet_limiter;
struct presence_sync;
struct hub;
struct repeated_messages;
struct limiter;
struct loop;
struct net_server;
struct worker_slots;
struct policy;
struct presence;
struct redis;
struct redis_clock;
struct redis_room;
struct relay;
struct rooms;
struct shared_cache;
struct state;
struct store;
struct store_progress;
struct survey;
struct transfers;
struct upcoming;
struct worker;

/* How the worker gets policies: lua/ behind a pointer, so that core knows no Lua. */
struct policy_source {
    /* Builds a generation aside: loads and checks the configuration's scripts. Not yet asked anything. */
    struct policy *(*load)(struct worker *worker, const struct config *config, unsigned generation,
                           struct error *error_r);
    /* The generation goes live: its timers start, what it registered (limits, caches, routes, engines) holds. */
    void (*enact)(struct policy *policy);
    /* Reads a configuration file. */
    struct config *(*read_config)(const char *path, const char *const *sets, size_t sets_len, struct error *error_r);
};

/* Built in this order, freed in the opposite one; the policy first, whose scripts act on all of it. Everything is
 * non-NULL while the worker serves; in stoa.testing net is NULL (fake clients talk to the hub). */
struct worker {
    struct loop *loop;
    struct config *config; /* of the generation in force */
    struct store *store;
    struct rooms *rooms;
    struct limiter *limiter;
    struct budget *inbound, *outbound; /* of net and hub together */
    struct cache *cache;               /* this worker's own */
    struct presence *presence;
    struct expulsions *expulsions;
    struct presence_broadcast *presence_broadcast;
    struct redis *redis;          /* NULL: this worker is alone */
    struct redis_room *room;      /* for caches there */
    struct redis_clock *clock;    /* is this machine's the fleet's? */
    struct bus *bus;              /* to other workers */
    struct state *state;          /* what all workers hold in common */
    struct shared_cache *shared;  /* behind their caches; NULL: this worker is alone */
    struct fleet_limiter *limits; /* the limiter's, and those that workers share */
    struct presence_sync *presence_sync;
    struct survey *survey;
    struct adapter *adapter; /* to Node.js servers; NULL: there are none */
    struct channel_log *log;
    struct relay *relay;
    struct repeated_messages *repeated;
    struct script_health script_health; /* of parts that scripts look after */
    struct hub *hub;
    struct transfers *transfers;
    struct admission_control *admission; /* scripts may set it when their generation is enacted */
    struct dialer *dialer;               /* outgoing WebSocket connections */
    struct net_server *net;
    struct policy *policy; /* in force */
    const struct policy_source *source;
    struct worker_slots *slots; /* of all workers of this server; NULL: there are none but this one, and no master */
    unsigned slot;              /* this one's */
    unsigned generation;        /* of the policy in force */
    bool draining;
    char name[ID_OWNER_LEN + 1];
};

/* Everything but net, with the policy loaded and enacted. loop is the caller's; config gets a reference more.
 * generation: of this policy, 1 in a new server. name: what the ids of its sessions begin with, ID_OWNER_LEN
 * characters, the same for whoever is in its place; NULL: random ones. False: nothing is left behind. */
bool worker_init(struct worker *worker, struct loop *loop, struct config *config, const struct policy_source *source,
                 unsigned generation, const char *name, const struct store_progress *progress,
                 struct error *error_r) MUST_CHECK;
/* After net is gone. Waits for the store, at most deadline_ms. */
void worker_done(struct worker *worker, unsigned deadline_ms);
/* Builds the next generation aside, certificates included. NULL: it does not work. */
struct upcoming *worker_prepare(struct worker *worker, struct config *config, unsigned generation,
                                struct error *error_r) MUST_CHECK;
/* It is in force from now on; or never will be. Both take it. */
void worker_enact(struct worker *worker, struct upcoming **upcoming);
void worker_abandon(struct worker *worker, struct upcoming **upcoming);

#endif
