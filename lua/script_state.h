/* SPDX-License-Identifier: Apache-2.0 */
/* script_state.h - one load of the scripts: a vm, its tasks, and what the scripts registered.
 *
 * A policy (policy.h) has one host; when the host's memory ran out, it gets another one from the same sources.
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
    size_t asked_bytes; /* about what the arguments of those who wait for an answer take of the memory */
    unsigned generation;
    bool ready; /* loaded and checked: bindings may act */
    /* What the scripts want to be called for. */
    struct {
        struct map *handlers, *hooks; /* struct handler; a hook's fn is a list of functions */
        struct list routes, endpoints, repeats, namespaces, tests;
    } registered;
    /* What the bindings made for them. */
    struct {
        struct list limits, caches;
        struct list upstreams; /* outgoing WebSocket connections */
        struct http_client *http;
        struct said_reader *said; /* NULL: nobody has asked yet */
        struct shard_map *shards; /* NULL: no script made one */
        int locate;               /* its function, in the registry */
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
/* Tasks under way fail. */
void script_state_free(struct script_state **scripts);
/* Timers start; endpoints and namespaces are told to the hub. */
void script_state_enact(struct script_state *scripts);
/* Timers stop. */
void script_state_stop(struct script_state *scripts);

struct script_state *script_state_of(lua_State *L);
/* For bindings that act: raises while scripts are loaded. */
struct worker *script_state_worker(lua_State *L);
/* For bindings that register: raises afterwards. */
struct script_state *script_state_loading(lua_State *L);

/* NULL: nobody registered for it. */
struct handler *script_state_handler(const struct script_state *scripts, struct slice namespace_name,
                                     struct slice event);
struct script_endpoint *script_state_endpoint(const struct script_state *scripts, struct slice path);
struct handler *script_state_hooks(const struct script_state *scripts, struct slice namespace_name, struct slice point);
/* Adds one under a key; NULL: it is there already. The map is handlers or hooks. */
struct handler *script_state_add(struct map *map, struct slice namespace_name, struct slice name);

#endif
