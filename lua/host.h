/* host.h - one load of the scripts: a vm, its tasks, and what the scripts registered.
 *
 * A policy (policy.h) has one host; when the host's memory ran out, it gets another one from the same sources.
 */
#ifndef LUA_HOST_H
#define LUA_HOST_H

#include "base/error.h"
#include "base/list.h"
#include "loop/loop.h"
#include "lua/task.h"
#include "lua/vm.h"
#include "session/hub.h"

struct config;
struct http_client;
struct map;
struct shared;
struct shard_map;
struct worker;

enum { HOST_ENDPOINTS_MAX = 64, HOST_NAMESPACES_MAX = 64 };

/* fn: a reference into Lua's registry. */
struct handler {
    char *key; /* "NAMESPACE\nEVENT" */
    int fn;
    bool raw;
};
struct route {
    struct list link;
    char *method, *path;
    int head, fn; /* head: LUA_NOREF if there is none */
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
    struct host *host;
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

struct host {
    struct worker *worker;
    const struct config *config;
    struct vm *vm;
    struct tasks *tasks;
    struct shared *shared; /* survives generations; counted */
    struct http_client *http;
    struct results *results;
    size_t asked_bytes; /* about what the arguments of those who wait for an answer take of the memory */
    unsigned generation;
    bool ready;                   /* loaded and checked: bindings may act */
    struct map *handlers, *hooks; /* struct handler; a hook's fn is a list of functions */
    struct list routes, endpoints, repeats, namespaces, tests, limits, caches;
    struct list upstreams;    /* outgoing WebSocket connections */
    struct shard_map *shards; /* NULL: no script made one */
    int locate;               /* its function, in the registry */
    void *policy;
    void (*idle)(void *policy);
    void (*broken)(void *policy);
};

/* Loads and checks the scripts of config. NULL: FILE:LINE: … */
struct host *host_new(struct worker *worker, const struct config *config, unsigned generation, struct shared *shared,
                      struct error *error_r);
/* Tasks under way fail. */
void host_free(struct host **host);
/* Timers start; endpoints and namespaces are told to the hub. */
void host_enact(struct host *host);
/* Timers stop. */
void host_stop(struct host *host);

struct host *host_of(lua_State *L);
/* For bindings that act: raises while scripts are loaded. */
struct worker *host_worker(lua_State *L);
/* For bindings that register: raises afterwards. */
struct host *host_loading(lua_State *L);

/* NULL: nobody registered for it. */
struct handler *host_handler(const struct host *host, struct slice namespace_name, struct slice event);
struct route *host_route(const struct host *host, struct slice method, struct slice path);
struct script_endpoint *host_endpoint(const struct host *host, struct slice path);
struct handler *host_hooks(const struct host *host, struct slice namespace_name, struct slice point);
/* Adds one under a key; NULL: it is there already. The map is handlers or hooks. */
struct handler *host_add(struct map *map, struct slice namespace_name, struct slice name);
/* Does path match the route's pattern? pushes the parameters' values into the table on top of L, if L is not NULL. */
bool route_matches(const char *pattern, struct slice path, lua_State *L);

#endif
