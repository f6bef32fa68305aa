#include "lua/host.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/map.h"
#include "config/config.h"
#include "loop/loop.h"
#include "lua/bind.h"
#include "lua/results.h"
#include "lua/sandbox.h"
#include "lua/shared.h"
#include "server/fleet.h"
#include "server/worker.h"
#include "session/hub.h"
#include "store/shard_map.h"

/* The memory is collected down to half between calls. A call's last step may double what it has: that has room, too. */
enum { LOAD_FACTOR = 20, LOAD_WALL_MS = 5000, CALL_PART = 4 };
/* Large answers of the store that wait: so many times the scripts' memory. */
enum { WAITING_FACTOR = 2 };

struct host *host_of(lua_State *L) {
    return vm_of(L)->owner;
}

struct worker *host_worker(lua_State *L) {
    struct host *host = host_of(L);
    if (!host->ready)
        luaL_error(L, "works in handlers, hooks and timers: not while a script is being loaded, nor in locate");
    return host->worker;
}

struct host *host_loading(lua_State *L) {
    struct host *host = host_of(L);
    if (host->ready || !host->vm->loading) luaL_error(L, "works only while a script is being loaded");
    return host;
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

struct handler *host_handler(const struct host *host, struct slice namespace_name, struct slice event) {
    return find(host->handlers, namespace_name, event);
}

struct handler *host_hooks(const struct host *host, struct slice namespace_name, struct slice point) {
    return find(host->hooks, namespace_name, point);
}

struct handler *host_add(struct map *map, struct slice namespace_name, struct slice name) {
    if (find(map, namespace_name, name)) return NULL;
    struct handler *handler = NEW(struct handler);
    size_t len;
    handler->key = handler_key(namespace_name, name, &len);
    handler->fn = LUA_NOREF;
    map_put(map, (struct slice){handler->key, len}, handler);
    return handler;
}

struct script_endpoint *host_endpoint(const struct host *host, struct slice path) {
    LIST_EACH(&host->endpoints, link) {
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

static void free_registered(struct host *host) {
    free_handlers(&host->handlers);
    free_handlers(&host->hooks);
    LIST_EACH(&host->routes, link) {
        struct route *route = CONTAINER(link, struct route, link);
        free(route->method);
        free(route->path);
        free(route);
    }
    LIST_EACH(&host->endpoints, link) free(CONTAINER(link, struct script_endpoint, link)); /* the vm has their texts */
    LIST_EACH(&host->repeats, link) free(CONTAINER(link, struct repeat, link));
    struct list *named[] = {&host->namespaces, &host->tests};
    for (size_t i = 0; i < 2; i++) {
        LIST_EACH(named[i], link) {
            struct named *item = CONTAINER(link, struct named, link);
            free(item->name);
            free(item);
        }
    }
    limits_free(host);
    caches_free(host);
    if (host->shards) shard_map_retire(host->shards);
    shard_map_unref(&host->shards);
}

/* ---- loading ---- */

static struct slice find_source(void *owner, const char *path) {
    struct host *host = owner;
    return config_source(host->config, path);
}

static int open_libraries(lua_State *L) {
    sandbox_open(L, find_source);
    bind_all(L);
    return 0;
}

static int load_script(lua_State *L) {
    const char *path = lua_touserdata(L, 1);
    if (!config_source(host_of(L)->config, path).ptr) return luaL_error(L, "%s:1: was not read", path);
    sandbox_run(L, path);
    return 0;
}

static int run_test(lua_State *L) {
    struct named *test = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, test->fn);
    lua_call(L, 0, 0);
    return 0;
}

static bool run_tests(struct host *host, struct error *error_r) {
    LIST_EACH(&host->tests, link) {
        struct named *test = CONTAINER(link, struct named, link);
        struct error error;
        vm_begin(host->vm, &host->vm->settings.load);
        if (vm_protect(host->vm, run_test, test, &error)) continue;
        error_set(error_r, "%s (selftest '%s')", error.text, test->name);
        return false;
    }
    return true;
}

/* No channel may move. */
static bool check_shards(struct host *host, struct error *error_r) {
    struct error error;
    size_t most = host->config->postgres.shards.len; /* the store knows it too, but not the one that a check has */
    if (!host->shards || ((most == 0 || shard_map_fits(host->shards, most, &error)) &&
                          store_check_shards(host->worker->store, host->shards, &error)))
        return true;
    config_complain(host->config, "scripts", error_r, "stoa.shards: %s", error.text);
    return false;
}

static bool load(struct host *host, struct error *error_r) {
    struct vm *vm = host->vm;
    vm->loading = true;
    vm_begin(vm, &vm->settings.load);
    if (!vm_protect(vm, open_libraries, NULL, error_r)) return false;
    for (size_t i = 0; i < host->config->scripts.len; i++) {
        struct error error;
        vm_begin(vm, &vm->settings.load);
        if (vm_protect(vm, load_script, (void *)(uintptr_t)host->config->scripts.items[i], &error)) continue;
        const char *script = host->config->scripts.items[i];
        bool placed = strchr(error.text, ':') && error.text[0] == '/';
        error_set(error_r, "%s%s%s", placed ? "" : script, placed ? "" : ": ", error.text);
        return false;
    }
    vm->loading = false;
    return check_shards(host, error_r) && run_tests(host, error_r);
}

static void tell_idle(void *owner) {
    struct host *host = owner;
    host->idle(host->policy);
}

static void tell_broken(void *owner) {
    struct host *host = owner;
    host->broken(host->policy);
}

struct host *host_new(struct worker *worker, const struct config *config, unsigned generation, struct shared *shared,
                      struct error *error_r) {
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
    struct host *host = NEW(struct host);
    *host = (struct host){.worker = worker, .config = config, .generation = generation, .shared = shared_ref(shared)};
    host->handlers = map_new();
    host->hooks = map_new();
    struct list *lists[] = {&host->routes, &host->endpoints, &host->repeats, &host->namespaces,
                            &host->tests,  &host->limits,    &host->caches,  &host->upstreams};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) list_init(lists[i]);
    host->vm = vm_new(&settings, host);
    if (host->vm && load(host, error_r)) {
        host->tasks = tasks_new(host->vm, worker->loop, (unsigned)config->lua.tasks, &events, host);
        host->results = results_new(worker->loop, host->vm, settings.memory_bytes * WAITING_FACTOR);
        host->ready = true;
        return host;
    }
    if (!host->vm) error_set(error_r, "%s: lua.memory_bytes is too small", config->file);
    host_free(&host);
    return NULL;
}

void host_free(struct host **host_ref) {
    struct host *host = *host_ref;
    if (!host) return;
    *host_ref = NULL;
    host_stop(host);
    tasks_close(&host->tasks);
    results_free(&host->results);
    http_client_free(&host->http);
    upstreams_free(host);
    vm_free(&host->vm);
    free_registered(host);
    shared_unref(&host->shared);
    free(host);
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
    if (!task_start(repeat->host->tasks, &start)) repeat->runs = false;
}

void host_enact(struct host *host) {
    struct hub_endpoint endpoints[HOST_ENDPOINTS_MAX];
    const char *namespaces[HOST_NAMESPACES_MAX];
    size_t endpoints_len = 0, namespaces_len = 0;
    LIST_EACH(&host->endpoints, link) {
        if (endpoints_len < HOST_ENDPOINTS_MAX)
            endpoints[endpoints_len++] = CONTAINER(link, struct script_endpoint, link)->of;
    }
    LIST_EACH(&host->namespaces, link) {
        if (namespaces_len < HOST_NAMESPACES_MAX)
            namespaces[namespaces_len++] = CONTAINER(link, struct named, link)->name;
    }
    ailments_forget(&host->worker->ailments);
    if (host->shards) store_set_shards(host->worker->store, host->shards);
    hub_set_endpoints(host->worker->hub, endpoints, endpoints_len);
    fleet_set_namespaces(host->worker, namespaces, namespaces_len);
    LIST_EACH(&host->repeats, link) {
        struct repeat *repeat = CONTAINER(link, struct repeat, link);
        loop_timer_init(&repeat->timer, host->worker->loop, repeat_due);
        loop_timer_set(&repeat->timer, repeat->period_ms);
    }
}

void host_stop(struct host *host) {
    LIST_EACH(&host->repeats, link) {
        struct repeat *repeat = CONTAINER(link, struct repeat, link);
        if (repeat->timer.loop) loop_timer_cancel(&repeat->timer);
    }
}
