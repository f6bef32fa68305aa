/* SPDX-License-Identifier: Apache-2.0 */
/* Caches: values as JSON in the worker's cache, one load a key at a time. The part that waits for a script's load
 * function is lua/stoa/cache.lua. */
#include <lauxlib.h>
#include <stdlib.h>

#include "base/metrics.h"
#include "bus/bus.h"
#include "cache/cache.h"
#include "cache/shared_cache.h"
#include "lua/bind_internal.h"
#include "lua/sandbox.h"
#include "lua/types.h"
#include "lua/vm.h"
#include "wire/json.h"
#include "worker/fleet.h"
#include "worker/worker.h"

static const char CACHE[] = "stoa.cache", FLIGHT[] = "stoa.flight";
static const char NAME_BYTES[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
enum { NAME_MAX_LEN = 64, KEY_MAX = 512 };
/* How long shared values stay in a worker's own memory; and while invalidations may be missing. */
enum { LOCAL_MS = 60000, LOCAL_DEGRADED_MS = 5000, FETCH_MS = 3000 };

struct cache_rule {
    struct list link;
    char *name;
    uint64_t ttl_ms;
    bool is_shared;
};

/* A script's handle of a running load; the load fails if the handle is dropped. */
struct flight {
    struct worker *worker;
    struct cache_flight *flight;
    uint64_t ttl_ms;
    bool is_shared, is_early;
    uint64_t lease; /* in Redis; 0: none */
    size_t key_len;
    char key[];
};

void bind_cache_free(struct script_state *scripts) {
    LIST_EACH(&scripts->made.caches, link) {
        struct cache_rule *rule = CONTAINER(link, struct cache_rule, link);
        list_remove(&rule->link);
        free(rule->name);
        free(rule);
    }
}

static struct cache_rule *rule_at(lua_State *L) {
    return *(struct cache_rule **)types_check(L, 1, CACHE);
}

/* "NAME\nKEY", in the vm's scratch buffer. */
static struct slice full_key(lua_State *L, const struct cache_rule *rule) {
    struct slice key = bind_text(L, 2);
    struct buffer *out = &vm_of(L)->scratch;
    luaL_argcheck(L, key.len <= KEY_MAX, 2, "at most 512 bytes expected");
    buffer_clear(out);
    buffer_append_str(out, rule->name);
    buffer_append_char(out, '\n');
    buffer_append_slice(out, key);
    return buffer_slice(out);
}

/* ---- get ---- */

struct waiting {
    struct cache_waiter waiter;
    struct task_ticket *ticket;
};

static int push_landed(lua_State *L, void *owner) {
    const struct slice *value = owner;
    if (!value->ptr) return bind_fail(L, "unavailable");
    lua_pushliteral(L, "hit");
    script_json_push(L, *value, NULL, 0);
    return 2;
}

static void landed(struct cache_waiter *waiter, struct slice value) {
    struct waiting *waiting = CONTAINER(waiter, struct waiting, waiter);
    task_answer(&waiting->ticket, push_landed, &value);
    free(waiting);
}

static int push_hit(lua_State *L, struct slice value) {
    /* The value is borrowed until the next call of the cache; decoding does not call it. */
    lua_pushliteral(L, "hit");
    script_json_push(L, value, NULL, 0);
    return 2;
}

static const char *count_load(const struct flight *flight, const struct cache_rule *rule) {
    metric_add_labelled(flight->is_early ? METRIC_CACHE_REFRESHES : METRIC_CACHE_MISSES, rule->name, 1);
    return "load";
}

static bool is_shared(const struct worker *worker, const struct cache_rule *rule) {
    return rule->is_shared && worker->caches.shared;
}

static uint64_t local_ttl_ms(const struct worker *worker, bool shared, uint64_t ttl_ms) {
    uint64_t most_ms = bus_is_degraded(worker->fleet.bus) ? LOCAL_DEGRADED_MS : LOCAL_MS;
    return shared && ttl_ms > most_ms ? most_ms : ttl_ms;
}

/* For cache.lua: "hit", value | "load" or "ask", the current value or nil, flight | nil, word. */
static int begin(lua_State *L) {
    const struct cache_rule *rule = rule_at(L);
    struct worker *worker = script_state_worker(L);
    struct slice key = full_key(L, rule), value;
    struct flight *flight = types_new(L, FLIGHT, sizeof *flight + key.len);
    flight->worker = worker;
    flight->ttl_ms = rule->ttl_ms;
    flight->is_shared = is_shared(worker, rule);
    flight->key_len = key.len;
    memcpy(flight->key, key.ptr, key.len);
    struct task_ticket *ticket = task_begin_wait(L);
    struct waiting *waiting = NEW(struct waiting);
    *waiting = (struct waiting){.waiter = {.done = landed}, .ticket = ticket};
    enum cache_found found = cache_get(worker->caches.own, key, &value, &flight->flight, &waiting->waiter);
    if (!flight->flight) metric_add_labelled(METRIC_CACHE_HITS, rule->name, 1);
    if (found == CACHE_WAIT) return task_wait(L, CACHE_FLIGHT_MS + 1000);
    task_abandon_wait(L, &waiting->ticket);
    free(waiting);
    if (found == CACHE_HIT) return push_hit(L, value);
    flight->is_early = found == CACHE_EARLY;
    lua_pushstring(L, flight->is_shared ? "ask" : count_load(flight, rule));
    if (flight->is_early)
        script_json_push(L, value, NULL, 0);
    else
        lua_pushnil(L);
    lua_pushvalue(L, -3);
    return 3;
}

/* ---- values that other workers loaded ---- */

struct fetching {
    struct shared_fetch fetch;
    struct task_ticket *ticket;
    struct flight *flight; /* flight and rule live as long as the task waits */
    const struct cache_rule *rule;
    const struct shared_answer *answer;
};

/* Redis is not trusted: the value must be JSON. With a lease it expires soon. */
static int push_fetched(lua_State *L, void *owner) {
    const struct fetching *fetching = owner;
    const struct shared_answer *answer = fetching->answer;
    struct flight *flight = fetching->flight;
    if (answer->lease || !answer->value.ptr || !json_valid(answer->value)) {
        flight->lease = answer->lease;
        lua_pushstring(L, count_load(flight, fetching->rule));
        return 1;
    }
    metric_add_labelled(METRIC_CACHE_SHARED_HITS, fetching->rule->name, 1);
    cache_land(flight->worker->caches.own, &flight->flight, answer->value,
               local_ttl_ms(flight->worker, true, answer->ttl_ms));
    return push_hit(L, answer->value);
}

static void fetched(struct shared_fetch *fetch, const struct shared_answer *answer) {
    struct fetching *fetching = CONTAINER(fetch, struct fetching, fetch);
    fetching->answer = answer;
    task_answer(&fetching->ticket, push_fetched, fetching);
    free(fetching);
}

/* For cache.lua: "hit", value | "load". */
static int fetch(lua_State *L) {
    const struct cache_rule *rule = rule_at(L);
    struct flight *flight = types_check(L, 2, FLIGHT);
    struct task_ticket *ticket = task_begin_wait(L);
    struct fetching *fetching = NEW(struct fetching);
    *fetching = (struct fetching){.fetch.done = fetched, .ticket = ticket, .flight = flight, .rule = rule};
    shared_cache_fetch(flight->worker->caches.shared, &fetching->fetch, (struct slice){flight->key, flight->key_len},
                       flight->ttl_ms, flight->is_early ? flight->ttl_ms / CACHE_EARLY_SHARE : 0);
    return task_wait(L, FETCH_MS);
}

/* value.ptr NULL: the load failed. Returns as cache_land. */
static bool flight_land(struct flight *flight, struct slice value) {
    struct worker *worker = flight->worker;
    if (!flight->flight) return false;
    if (flight->lease)
        shared_cache_land(worker->caches.shared, (struct slice){flight->key, flight->key_len}, flight->lease, value,
                          flight->ttl_ms);
    return cache_land(worker->caches.own, &flight->flight, value,
                      local_ttl_ms(worker, flight->is_shared, flight->ttl_ms));
}

/* For cache.lua: ends a flight with a value; without one it has failed. False: it was overtaken. */
static int land(lua_State *L) {
    struct flight *flight = types_check(L, 1, FLIGHT);
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = BIND_OUT_MAX};
    buffer_clear(json.out);
    bool good = !lua_isnoneornil(L, 2);
    if (good && !script_json_pull(L, 2, &json)) luaL_error(L, "cannot keep %s", json.problem);
    lua_pushboolean(L, flight_land(flight, good ? buffer_slice(json.out) : SLICE_NONE));
    return 1;
}

static int flight_collect(lua_State *L) {
    flight_land(lua_touserdata(L, 1), SLICE_NONE);
    return 0;
}

/* ---- put and remove ---- */

/* Keeps a value; of a shared cache the other workers get it too.
 * @function cache:put
 * @param key a string of at most 512 bytes
 * @param value any JSON value
 * @return true
 * @example profiles:put(user.id, profile) */
static int put(lua_State *L) {
    const struct cache_rule *rule = rule_at(L);
    struct json_out json = {.out = &vm_of(L)->out, .max_bytes = BIND_OUT_MAX};
    luaL_checkany(L, 3);
    buffer_clear(json.out);
    if (!script_json_pull(L, 3, &json)) luaL_error(L, "cannot keep %s", json.problem);
    struct worker *worker = script_state_worker(L);
    struct slice key = full_key(L, rule), value = buffer_slice(json.out);
    bool shared = is_shared(worker, rule);
    if (shared) shared_cache_put(worker->caches.shared, key, value, rule->ttl_ms);
    cache_put(worker->caches.own, key, value, 0, local_ttl_ms(worker, shared, rule->ttl_ms));
    return bind_true(L);
}

/* Forgets a value, on every worker; a load under way does not bring it back.
 * @function cache:remove
 * @param key a string
 * @return true
 * @example profiles:remove(user.id) */
static int remove_key(lua_State *L) {
    const struct cache_rule *rule = rule_at(L);
    struct worker *worker = script_state_worker(L);
    if (is_shared(worker, rule))
        fleet_invalidate_shared(worker, full_key(L, rule));
    else
        fleet_invalidate(worker, full_key(L, rule), 0);
    return bind_true(L);
}

/* For cache.lua: a new rule. */
static int define(lua_State *L) {
    struct script_state *scripts = script_state_loading(L);
    struct slice name = bind_text(L, 1);
    double ttl_s = luaL_checknumber(L, 2);
    luaL_argcheck(L, name.len > 0 && name.len <= NAME_MAX_LEN && !memchr(name.ptr, '\n', name.len), 1,
                  "a name expected");
    luaL_argcheck(L, ttl_s >= 0.001 && ttl_s <= 1e8, 2, "ttl: seconds expected");
    bool shared = lua_toboolean(L, 3);
    luaL_argcheck(L, !shared || strspn(name.ptr, NAME_BYTES) == name.len, 1,
                  "the name of a shared cache: letters, digits, _ and - expected");
    LIST_EACH(&scripts->made.caches, link) {
        if (slice_is(name, CONTAINER(link, struct cache_rule, link)->name))
            return luaL_error(L, "cache '%s' is defined already", name.ptr);
    }
    struct cache_rule **at = types_new(L, CACHE, sizeof(struct cache_rule *)), *rule = NEW(struct cache_rule);
    rule->name = memory_copy(name.ptr, name.len);
    rule->ttl_ms = (uint64_t)(ttl_s * 1000);
    rule->is_shared = shared;
    list_append(&scripts->made.caches, &rule->link);
    *at = rule;
    return 1;
}

/* A cache: values live for ttl seconds. A missing key calls load once for all tasks that wait for it.
 * @function stoa.cache
 * @param name its name; its entries survive reloads
 * @param rule {ttl = seconds, load = function(key) return value end, shared = false}; without load, get of a missing
 * key returns nil. shared: workers that have Redis keep it there too, so that one load serves all of them; each has it
 * in memory for a minute at most. In the last tenth of a value's time one task loads it again while the others get the
 * cached value; if that load fails, the value stays until it expires
 * @return the cache
 * @error raises when the name is taken
 * @example local profiles = stoa.cache("profiles", {ttl = 60, load = function(id) return stoa.user(id):get() end})
 *
 * The value of a key: from the cache, or loaded.
 * @function cache:get
 * @param key a string of at most 512 bytes
 * @return the value; waits
 * @error what load returned, or unavailable
 * @example local profile, word = profiles:get(user.id) */
void bind_cache(lua_State *L) {
    static const luaL_Reg methods[] = {{"put", put}, {"remove", remove_key}, {NULL, NULL}};
    types_class(L, CACHE, methods, NULL, NULL);
    types_class(L, FLIGHT, NULL, NULL, flight_collect);
    vm_push_kept(L, CACHE);
    lua_getfield(L, -1, "__index");
    lua_pushcfunction(L, define);
    lua_pushcfunction(L, begin);
    lua_pushcfunction(L, fetch);
    lua_pushcfunction(L, land);
    sandbox_run_embedded(L, "cache", 4);
    lua_getfield(L, -1, "get");
    lua_setfield(L, -3, "get");
    lua_getfield(L, -1, "new");
    lua_setfield(L, -5, "cache");
    lua_pop(L, 3);
}
