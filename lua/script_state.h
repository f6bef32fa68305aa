/* SPDX-License-Identifier: Apache-2.0 */
/* script_state.h - one load of the scripts: a vm, its tasks, and the registered functions.
 *
 * A policy (policy.h) has one state; if that runs out of memory, the policy loads another from the same sources.
 */
#ifndef LUA_SCRIPT_STATE_H
#define LUA_SCRIPT_STATE_H

#include "base/error.h"
#include "base/list.h"
#include "loop/loop.h"
#include "lua/task.h"
#include "lua/vm.h"
#include "session/hub.h"

struct config;
struct http_client;
struct map;
struct said_reader;
struct shared;
struct shard_map;
struct worker;

enum { SCRIPT_STATE_ENDPOINTS_MAX = 64, SCRIPT_STATE_NAMESPACES_MAX = 64 };

/* fn: a reference into Lua's registry. */
struct handler {
    char *key; /* "NAMESPACE\nEVENT" */
    int fn;
    bool raw;
};
/* stoa.engine, stoa.websocket; LUA_NOREF: no such handler. */
struct script_endpoint {
    struct list link;
    struct hub_endpoint of;
    int open, message, close;
};
/* stoa.every, stoa.selftest, stoa.of. */
struct repeat {
    struct list link;
    struct script_state *scripts;
    struct loop_timer timer;
    uint64_t period_ms;
    int fn;
    bool runs;
};
struct named {
    struct list link;
    char *name;
    int fn;
};

struct script_state {
    struct worker *worker;
    const struct config *config;
    struct vm *vm;
    struct tasks *tasks;
    struct shared *shared; /* survives generations; counted */
    struct results *results;
    size_t asked_bytes; /* estimated memory of the arguments of all calls that wait for an answer */
    unsigned generation;
    bool ready; /* loaded and checked: bindings may act */
    /* What the scripts registered. */
    struct {
        struct map *handlers, *hooks; /* struct handler; a hook's fn is a list of functions */
        struct list routes, endpoints, repeats, namespaces, tests;
    } registered;
    /* What the bindings made for the scripts. */
    struct {
        struct list limits, caches;
        struct list upstreams; /* outgoing WebSocket connections */
        struct http_client *http;
        struct said_reader *said; /* NULL: not used yet */
        struct shard_map *shards; /* NULL: no script made one */
        int locate;               /* the map's function: a registry reference */
    } made;
    struct {
        void *policy;
        void (*idle)(void *policy);
        void (*broken)(void *policy);
    } owner;
};

/* Loads and checks the scripts of config. NULL: FILE:LINE: … */
struct script_state *script_state_new(struct worker *worker, const struct config *config, unsigned generation,
                                      struct shared *shared, struct error *error_r);
/* Cuts the tasks under way. */
void script_state_free(struct script_state **scripts);
/* Starts the timers; registers endpoints and namespaces with the hub. */
void script_state_enact(struct script_state *scripts);
/* Stops the timers. */
void script_state_stop(struct script_state *scripts);

struct script_state *script_state_of(lua_State *L);
/* For bindings that act: raises while scripts are loaded. */
struct worker *script_state_worker(lua_State *L);
/* For bindings that register: raises once the scripts are loaded. */
struct script_state *script_state_loading(lua_State *L);

/* NULL: no handler is registered. */
struct handler *script_state_handler(const struct script_state *scripts, struct slice namespace_name,
                                     struct slice event);
struct script_endpoint *script_state_endpoint(const struct script_state *scripts, struct slice path);
struct handler *script_state_hooks(const struct script_state *scripts, struct slice namespace_name, struct slice point);
/* Adds a handler; NULL: the key exists already. map: handlers or hooks. */
struct handler *script_state_add(struct map *map, struct slice namespace_name, struct slice name);

#endif
