/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/script_state.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/map.h"
#include "config/config.h"
#include "loop/loop.h"
#include "lua/bind_internal.h"
#include "lua/results.h"
#include "lua/route.h"
#include "lua/said_reader.h"
#include "lua/sandbox.h"
#include "net/http_client.h"
#include "policy/shared_values.h"
#include "session/hub.h"
#include "store/shard_map.h"
#include "store/store.h"
#include "worker/fleet.h"
#include "worker/worker.h"

/* Between calls the memory is collected down to half. The last step of a call may double the call's memory: this fits
 * too. */
enum { LOAD_FACTOR = 20, LOAD_WALL_MS = 5000, CALL_PART = 4 };
/* Limit of the store's waiting large answers, as a multiple of the scripts' memory. */
enum { WAITING_FACTOR = 2 };

struct script_state *script_state_of(lua_State *L) {
    return vm_of(L)->owner;
}

struct worker *script_state_worker(lua_State *L) {
    struct script_state *scripts = script_state_of(L);
    if (!scripts->ready)
        luaL_error(L, "works in handlers, hooks and timers: not while a script is being loaded, nor in locate");
    return scripts->worker;
}

struct script_state *script_state_loading(lua_State *L) {
    struct script_state *scripts = script_state_of(L);
    if (scripts->ready || !scripts->vm->loading) luaL_error(L, "works only while a script is being loaded");
    return scripts;
}

/* ---- what is registered ---- */

static char *handler_key(struct slice namespace_name, struct slice name, size_t *len_r) {
    struct buffer key = {0};
    buffer_append_slice(&key, namespace_name);
    buffer_append_char(&key, '\n');
    buffer_append_slice(&key, name);
    return buffer_take(&key, len_r);
}

static struct handler *find(const struct map *map, struct slice namespace_name, struct slice name) {
    char key[512];
    size_t len = namespace_name.len + 1 + name.len;
    if (len > sizeof key) return NULL;
    if (namespace_name.len > 0) memcpy(key, namespace_name.ptr, namespace_name.len);
    key[namespace_name.len] = '\n';
    if (name.len > 0) memcpy(key + namespace_name.len + 1, name.ptr, name.len);
    return map_find(map, (struct slice){key, len});
}

struct handler *script_state_handler(const struct script_state *scripts, struct slice namespace_name,
                                     struct slice event) {
    return find(scripts->registered.handlers, namespace_name, event);
}

struct handler *script_state_hooks(const struct script_state *scripts, struct slice namespace_name,
                                   struct slice point) {
    return find(scripts->registered.hooks, namespace_name, point);
}

struct handler *script_state_add(struct map *map, struct slice namespace_name, struct slice name) {
    if (find(map, namespace_name, name)) return NULL;
    struct handler *handler = NEW(struct handler);
    size_t len;
    handler->key = handler_key(namespace_name, name, &len);
    handler->fn = LUA_NOREF;
    map_put(map, (struct slice){handler->key, len}, handler);
    return handler;
}

struct script_endpoint *script_state_endpoint(const struct script_state *scripts, struct slice path) {
    LIST_EACH(&scripts->registered.endpoints, link) {
        struct script_endpoint *endpoint = CONTAINER(link, struct script_endpoint, link);
        if (slice_is(path, endpoint->of.path)) return endpoint;
    }
    return NULL;
}

static void free_handlers(struct map **map) {
    size_t cursor = 0;
    for (struct handler *handler; (handler = map_next(*map, &cursor));) {
        free(handler->key);
        free(handler);
    }
    map_free(map);
}

static void free_registered(struct script_state *scripts) {
    free_handlers(&scripts->registered.handlers);
    free_handlers(&scripts->registered.hooks);
    LIST_EACH(&scripts->registered.routes, link) {
        struct route *route = CONTAINER(link, struct route, link);
        free(route->method);
        free(route->path);
        free(route);
    }
    LIST_EACH(&scripts->registered.endpoints, link)
    free(CONTAINER(link, struct script_endpoint, link)); /* the vm owns their texts */
    LIST_EACH(&scripts->registered.repeats, link) free(CONTAINER(link, struct repeat, link));
    struct list *named[] = {&scripts->registered.namespaces, &scripts->registered.tests};
    for (size_t i = 0; i < 2; i++) {
        LIST_EACH(named[i], link) {
            struct named *item = CONTAINER(link, struct named, link);
            free(item->name);
            free(item);
        }
    }
    bind_limit_free(scripts);
    bind_cache_free(scripts);
    if (scripts->made.shards) shard_map_retire(scripts->made.shards);
    shard_map_unref(&scripts->made.shards);
}

/* ---- loading ---- */

static struct slice find_source(void *owner, const char *path) {
    struct script_state *scripts = owner;
    return config_source(scripts->config, path);
}

static int open_libraries(lua_State *L) {
    sandbox_open(L, find_source);
    bind_all(L);
    return 0;
}

static int load_script(lua_State *L) {
    const char *path = lua_touserdata(L, 1);
    if (!config_source(script_state_of(L)->config, path).ptr) return luaL_error(L, "%s:1: was not read", path);
    sandbox_run(L, path);
    return 0;
}

static int run_test(lua_State *L) {
    struct named *test = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, test->fn);
    lua_call(L, 0, 0);
    return 0;
}

static bool run_tests(struct script_state *scripts, struct error *error_r) {
    LIST_EACH(&scripts->registered.tests, link) {
        struct named *test = CONTAINER(link, struct named, link);
        struct error error;
        vm_begin(scripts->vm, &scripts->vm->settings.load);
        if (vm_protect(scripts->vm, run_test, test, &error)) continue;
        error_set(error_r, "%s (selftest '%s')", error.text, test->name);
        return false;
    }
    return true;
}

/* No channel may move to another shard. */
static bool check_shards(struct script_state *scripts, struct error *error_r) {
    struct error error;
    size_t most = scripts->config->postgres.shards.len; /* the store knows it too, but not the one that a check has */
    if (!scripts->made.shards || ((most == 0 || shard_map_fits(scripts->made.shards, most, &error)) &&
                                  store_check_shards(scripts->worker->store, scripts->made.shards, &error)))
        return true;
    config_complain(scripts->config, "scripts", error_r, "stoa.shards: %s", error.text);
    return false;
}

static bool load(struct script_state *scripts, struct error *error_r) {
    struct vm *vm = scripts->vm;
    vm->loading = true;
    vm_begin(vm, &vm->settings.load);
    if (!vm_protect(vm, open_libraries, NULL, error_r)) return false;
    for (size_t i = 0; i < scripts->config->scripts.len; i++) {
        struct error error;
        vm_begin(vm, &vm->settings.load);
        if (vm_protect(vm, load_script, (void *)(uintptr_t)scripts->config->scripts.items[i], &error)) continue;
        const char *script = scripts->config->scripts.items[i];
        bool placed = strchr(error.text, ':') && error.text[0] == '/';
        error_set(error_r, "%s%s%s", placed ? "" : script, placed ? "" : ": ", error.text);
        return false;
    }
    vm->loading = false;
    return check_shards(scripts, error_r) && run_tests(scripts, error_r);
}

static void tell_idle(void *owner) {
    struct script_state *scripts = owner;
    scripts->owner.idle(scripts->owner.policy);
}

static void tell_broken(void *owner) {
    struct script_state *scripts = owner;
    scripts->owner.broken(scripts->owner.policy);
}

struct script_state *script_state_new(struct worker *worker, const struct config *config, unsigned generation,
                                      struct shared *shared, struct error *error_r) {
    static const struct tasks_events events = {tell_idle, tell_broken};
    const char *gc = getenv("STOA_GC");
    struct vm_settings settings = {
        .memory_bytes = (size_t)config->lua.memory_bytes,
        .run = {(uint64_t)config->lua.instructions, (unsigned)config->lua.wall_ms,
                (size_t)config->lua.memory_bytes / CALL_PART},
        .load = {(uint64_t)config->lua.instructions * LOAD_FACTOR, LOAD_WALL_MS, 0},
        .jit = config->lua.jit,
        .open = config->lua.open,
        .gc_aggressive = gc && strcmp(gc, "aggressive") == 0,
    };
    struct script_state *scripts = NEW(struct script_state);
    *scripts = (struct script_state){
        .worker = worker, .config = config, .generation = generation, .shared = shared_ref(shared)};
    scripts->registered.handlers = map_new();
    scripts->registered.hooks = map_new();
    struct list *lists[] = {&scripts->registered.routes,  &scripts->registered.endpoints,
                            &scripts->registered.repeats, &scripts->registered.namespaces,
                            &scripts->registered.tests,   &scripts->made.limits,
                            &scripts->made.caches,        &scripts->made.upstreams};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) list_init(lists[i]);
    scripts->vm = vm_new(&settings, scripts);
    if (scripts->vm && load(scripts, error_r)) {
        scripts->tasks = tasks_new(scripts->vm, worker->loop, (unsigned)config->lua.tasks, &events, scripts);
        scripts->results = results_new(worker->loop, scripts->vm, settings.memory_bytes * WAITING_FACTOR);
        scripts->ready = true;
        return scripts;
    }
    if (!scripts->vm) error_set(error_r, "%s: lua.memory_bytes is too small", config->file);
    script_state_free(&scripts);
    return NULL;
}

void script_state_free(struct script_state **host_ref) {
    struct script_state *scripts = *host_ref;
    if (!scripts) return;
    *host_ref = NULL;
    script_state_stop(scripts);
    tasks_close(&scripts->tasks);
    said_reader_free(&scripts->made.said);
    results_free(&scripts->results);
    http_client_free(&scripts->made.http);
    bind_dial_free(scripts);
    vm_free(&scripts->vm);
    free_registered(scripts);
    shared_unref(&scripts->shared);
    free(scripts);
}

/* ---- in force ---- */

static int push_repeat(lua_State *L, void *owner) {
    const struct repeat *repeat = owner;
    lua_rawgeti(L, LUA_REGISTRYINDEX, repeat->fn);
    return 1;
}

static void repeat_ended(void *asker, lua_State *L, int first, int len) {
    (void)L, (void)first, (void)len;
    struct repeat *repeat = asker;
    repeat->runs = false;
}

static void repeat_due(struct loop_timer *timer) {
    struct repeat *repeat = CONTAINER(timer, struct repeat, timer);
    struct task_start start = {
        .what = "every", .push = push_repeat, .owner = repeat, .ended = repeat_ended, .asker = repeat};
    loop_timer_set(timer, repeat->period_ms);
    if (repeat->runs) return;
    repeat->runs = true;
    if (!task_start(repeat->scripts->tasks, &start)) repeat->runs = false;
}

void script_state_enact(struct script_state *scripts) {
    struct hub_endpoint endpoints[SCRIPT_STATE_ENDPOINTS_MAX];
    const char *namespaces[SCRIPT_STATE_NAMESPACES_MAX];
    size_t endpoints_len = 0, namespaces_len = 0;
    LIST_EACH(&scripts->registered.endpoints, link) {
        if (endpoints_len < SCRIPT_STATE_ENDPOINTS_MAX)
            endpoints[endpoints_len++] = CONTAINER(link, struct script_endpoint, link)->of;
    }
    LIST_EACH(&scripts->registered.namespaces, link) {
        if (namespaces_len < SCRIPT_STATE_NAMESPACES_MAX)
            namespaces[namespaces_len++] = CONTAINER(link, struct named, link)->name;
    }
    script_health_forget(&scripts->worker->scripts.health);
    if (scripts->made.shards) store_set_shards(scripts->worker->store, scripts->made.shards);
    hub_set_endpoints(scripts->worker->hub, endpoints, endpoints_len);
    fleet_set_namespaces(scripts->worker, namespaces, namespaces_len);
    LIST_EACH(&scripts->registered.repeats, link) {
        struct repeat *repeat = CONTAINER(link, struct repeat, link);
        loop_timer_init(&repeat->timer, scripts->worker->loop, repeat_due);
        loop_timer_set(&repeat->timer, repeat->period_ms);
    }
}

void script_state_stop(struct script_state *scripts) {
    LIST_EACH(&scripts->registered.repeats, link) {
        struct repeat *repeat = CONTAINER(link, struct repeat, link);
        if (repeat->timer.loop) loop_timer_cancel(&repeat->timer);
    }
}
