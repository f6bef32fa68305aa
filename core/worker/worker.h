/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - all parts of one worker process: main.c assembles them, the Lua bindings act on them. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/ids.h"
#include "worker/script_health.h"

struct adapter;
struct presence_broadcast;
struct admission_control;
struct memory_budget;
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
    /* Prepares a generation: loads and checks the configuration's scripts. Handles no calls yet. */
    struct policy *(*load)(struct worker *worker, const struct config *config, unsigned generation,
                           struct error *error_r);
    /* The generation goes live: its timers start, what it registered (limits, caches, routes, engines) holds. */
    void (*enact)(struct policy *policy);
    /* Reads a configuration file. */
    struct config *(*read_config)(const char *path, const char *const *sets, size_t sets_len, struct error *error_r);
};

/* The policy is freed first: its scripts act on all the rest. Everything is non-NULL while the worker serves; in
 * stoa.testing net is NULL (fake clients talk to the hub). */
struct worker {
    struct loop *loop;
    struct config *config; /* of the generation in force */
    struct store *store;
    struct hub *hub;
    struct transfers *transfers;
    struct dialer *dialer; /* outgoing WebSocket connections */
    struct net_server *net;
    bool draining;
    /* Who this worker is. */
    struct {
        struct worker_slots *slots; /* of all workers of this server; NULL: no master, and no others */
        unsigned slot;              /* this worker's */
        char name[ID_OWNER_LEN + 1];
    } place;
    /* The way to the other workers. */
    struct {
        struct redis *redis;       /* NULL: this worker is alone */
        struct redis_room *room;   /* for caches there */
        struct redis_clock *clock; /* compares this machine's clock with the fleet's */
        struct bus *bus;
        struct state *state;     /* state that all workers share */
        struct adapter *adapter; /* connection to Node.js servers; NULL: none */
        struct repeated_messages *repeated;
    } fleet;
    struct {
        struct cache *own;
        struct shared_cache *shared; /* second level, shared by all workers; NULL: this worker is alone */
    } caches;
    struct {
        struct rooms *rooms;
        struct channel_log *log;
        struct relay *relay;
        struct expulsions *expulsions;
    } channels;
    struct {
        struct presence *online; /* who is online, as far as this worker knows */
        struct presence_sync *sync;
        struct survey *survey;
        struct presence_broadcast *broadcast;
    } presence;
    struct {
        struct memory_budget *inbound, *outbound; /* of net and hub together */
        struct limiter *limiter;
        struct fleet_limiter *fleet;         /* the limiter's, and those that workers share */
        struct admission_control *admission; /* scripts may set it when their generation is enacted */
    } limits;
    struct {
        const struct policy_source *source;
        struct policy *policy;       /* in force */
        unsigned generation;         /* of that policy */
        struct script_health health; /* of parts that scripts look after */
    } scripts;
};

/* Everything but net, with the policy loaded and enacted. loop is the caller's; config gets a reference more.
 * generation: of this policy, 1 in a new server. name: what the ids of its sessions begin with, ID_OWNER_LEN
 * characters, the same for every worker in this slot; NULL: random. False: everything is freed again. */
bool worker_init(struct worker *worker, struct loop *loop, struct config *config, const struct policy_source *source,
                 unsigned generation, const char *name, const struct store_progress *progress,
                 struct error *error_r) MUST_CHECK;
/* Call after net is freed. Waits for the store, at most deadline_ms. */
void worker_done(struct worker *worker, unsigned deadline_ms);
/* Prepares the next generation, certificates included, without using it. NULL: error_r says why. */
struct upcoming *worker_prepare(struct worker *worker, struct config *config, unsigned generation,
                                struct error *error_r) MUST_CHECK;
/* Puts the prepared generation in force, or discards it. Both take ownership of it. */
void worker_enact(struct worker *worker, struct upcoming **upcoming);
void worker_abandon(struct worker *worker, struct upcoming **upcoming);

#endif
