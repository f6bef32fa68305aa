/* SPDX-License-Identifier: Apache-2.0 */
/* stoa itself: what scripts register, and facts about the server. */
#include <lauxlib.h>
#include <math.h>

#include "base/fault.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/wall_time.h"
#include "channel/log.h"
#include "config/config.h"
#include "config/value.h"
#include "lua/bind_internal.h"
#include "lua/hook_call.h"
#include "lua/route.h"
#include "lua/sandbox.h"
#include "lua/types.h"
#include "session/hub.h"
#include "wire/socketio.h"
#include "worker/fleet.h"
#include "worker/worker.h"

enum { PATH_MAX_LEN = 256 };

/* decides: a hook that returns nothing refuses. A client that no authenticate hook knows is refused anyway;
 * connect runs after admission. */
static const struct point {
    const char *name;
    bool decides;
} points[] = {
    {"authenticate", false},    {"admit", true},  {"connect", false},     {"disconnect", false}, {"join", true},
    {"leave", false},           {"send", true},   {"deliver", false},     {"upload", true},      {"member", false},
    {"channel:created", false}, {"alert", false}, {"server_event", false}};

/* The namespace that the called function belongs to. */
static struct slice upvalue_namespace(lua_State *L) {
    return bind_text(L, lua_upvalueindex(1));
}

/* Keeps the function at index. */
static int keep(lua_State *L, int index) {
    lua_pushvalue(L, index);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* Handles a client's event. The function's return values are the arguments of the acknowledgement. If it raises, the
 * client gets script_error. One handler per event and namespace.
 * @function stoa.on
 * @param event the name
 * @param options {raw = true}: the function gets one string, the JSON array of the arguments; may be left out
 * @param fn function(socket, …)
 * @error raises when the event has a handler already, or its name is reserved
 * @example stoa.on("echo", function(socket, ...) return ... end) */
static int on(lua_State *L) {
    struct script_state *scripts = script_state_loading(L);
    struct slice event = bind_text(L, 1), namespace_name = upvalue_namespace(L);
    bool options = lua_istable(L, 2);
    int fn = options ? 3 : 2;
    luaL_checktype(L, fn, LUA_TFUNCTION);
    luaL_argcheck(L, event.len > 0 && event.len <= SOCKETIO_EVENT_NAME_MAX, 1, "1 to 128 bytes expected");
    luaL_argcheck(L, !socketio_reserved(event), 1, "the name is reserved");
    bool raw = false;
    if (options) {
        bind_push_field(L, 2, "raw");
        raw = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    struct handler *handler = script_state_add(scripts->registered.handlers, namespace_name, event);
    if (!handler) return luaL_error(L, "the event '%s' has a handler already", event.ptr);
    handler->fn = keep(L, fn);
    handler->raw = raw;
    return 0;
}

static const struct point *point_at(lua_State *L, int index) {
    struct slice name = bind_text(L, index);
    struct buffer *known = &vm_of(L)->out;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        if (slice_is(name, points[i].name)) return &points[i];
    buffer_clear(known);
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        buffer_printf(known, "%s%s", i ? ", " : "", points[i].name);
    buffer_append_char(known, '\0');
    luaL_error(L, "no hook '%s': %s", name.ptr, known->ptr);
    return NULL;
}

/* Registers a function that is called at a point. [Hooks](scripts.md#hooks) lists the points: what each gets, what it
 * may change, and what its answer means. At points that decide, returning nothing is a script error and refuses.
 * @function stoa.hook
 * @param point one of these
 * @param fn the function
 * @error raises for an unknown point
 * @example stoa.hook("connect", function(socket) if banned[socket.user.id] then return nil, "banned" end end) */
static int hook(lua_State *L) {
    struct script_state *scripts = script_state_loading(L);
    struct slice point = bind_text(L, 1), namespace_name = upvalue_namespace(L);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    point_at(L, 1);
    struct handler *handler = script_state_add(scripts->registered.hooks, namespace_name, point);
    if (handler) {
        lua_newtable(L);
        handler->fn = luaL_ref(L, LUA_REGISTRYINDEX);
    } else {
        handler = script_state_hooks(scripts, namespace_name, point);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, handler->fn);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    return 0;
}

/* For hooks.lua: the list of a point's hooks, or nil. */
static int find_hooks(lua_State *L) {
    struct handler *handler = script_state_hooks(script_state_of(L), SLICE("/"), slice_of(point_at(L, 1)->name));
    if (handler)
        lua_rawgeti(L, LUA_REGISTRYINDEX, handler->fn);
    else
        lua_pushnil(L);
    return 1;
}

/* For hooks.lua: true if the hooks of a point must allow. */
static int decides(lua_State *L) {
    lua_pushboolean(L, point_at(L, 1)->decides && !fault_planted("silence_is_yes"));
    return 1;
}

/* For hooks.lua: "FILE:LINE" of a function. */
static int line_of(lua_State *L) {
    lua_Debug activation;
    lua_settop(L, 1);
    lua_getinfo(L, ">S", &activation);
    lua_pushfstring(L, "%s:%d", activation.short_src, activation.linedefined);
    return 1;
}

static void push_namespace(lua_State *L, const char *name);

/* A namespace; clients can join it from then on.
 * @function stoa.of
 * @param namespace "/admin"
 * @return a table with on, hook, to, except, volatile and emit of that namespace
 * @example local admin = stoa.of("/admin") admin.on("kick", function(socket, user_id) end) */
static int of(lua_State *L) {
    struct slice name = bind_text(L, 1);
    luaL_argcheck(
        L, name.len > 0 && name.ptr[0] == '/' && name.len <= SOCKETIO_NAMESPACE_MAX && !memchr(name.ptr, ',', name.len),
        1, "a namespace begins with '/'");
    struct script_state *scripts = script_state_of(L);
    bool known = name.len == 1;
    size_t count = 0;
    LIST_EACH(&scripts->registered.namespaces, link) {
        known = known || slice_is(name, CONTAINER(link, struct named, link)->name);
        count++;
    }
    if (!known) {
        script_state_loading(L);
        if (count >= SCRIPT_STATE_NAMESPACES_MAX)
            return luaL_error(L, "more than %d namespaces", SCRIPT_STATE_NAMESPACES_MAX);
        struct named *item = NEW(struct named);
        item->name = memory_copy(name.ptr, name.len);
        list_append(&scripts->registered.namespaces, &item->link);
    }
    lua_newtable(L);
    push_namespace(L, name.ptr);
    types_freeze(L);
    return 1;
}

/* Answers HTTP requests. The request has method, path, params (of {name} in the path), query, headers, body (its
 * bytes), address. head is called before the body is read, with the request without body. If it returns anything except
 * nil and false, the body is read and fn gets that value. If it returns nil, status, body, headers, this is the answer,
 * and the connection ends. Check API keys in head.
 * @function stoa.route
 * @param method "GET", "POST", …
 * @param path "/api/channels/{id}"
 * @param options {head = function(request) return passed end}; may be left out
 * @param fn function(request, passed) return status, body, headers end; a body that is no string becomes JSON
 * @example stoa.route("GET", "/hello/{name}", function(request) return 200, "Hello, " .. request.params.name end) */
static int route(lua_State *L) {
    struct script_state *scripts = script_state_loading(L);
    struct slice method = bind_text(L, 1), path = bind_text(L, 2);
    bool options = lua_istable(L, 3);
    luaL_checktype(L, options ? 4 : 3, LUA_TFUNCTION);
    luaL_argcheck(L,
                  method.len > 0 && method.len < 16 && strspn(method.ptr, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == method.len,
                  1, "a method in capitals expected");
    luaL_argcheck(L, path.len > 0 && path.ptr[0] == '/' && path.len <= PATH_MAX_LEN, 2, "a path expected");
    int head = LUA_NOREF;
    if (options) {
        bind_push_field(L, 3, "head");
        luaL_argcheck(L, lua_isfunction(L, -1), 3, "{head = function} expected");
        head = keep(L, -1);
    }
    int fn = keep(L, options ? 4 : 3);
    struct route *item = NEW(struct route);
    *item = (struct route){
        .method = memory_copy(method.ptr, method.len), .path = memory_copy(path.ptr, path.len), .head = head, .fn = fn};
    list_append(&scripts->registered.routes, &item->link);
    return 0;
}

/* Calls a function periodically; calls never overlap.
 * @function stoa.every
 * @param seconds at least 0.01
 * @param fn the function; it may wait
 * @example stoa.every(60, function() stoa.metrics.gauge("users", count()) end) */
static int every(lua_State *L) {
    struct script_state *scripts = script_state_loading(L);
    double seconds = luaL_checknumber(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    luaL_argcheck(L, seconds >= 0.01 && seconds <= 86400 * 31, 1, "0.01 to 31 days expected");
    int fn = keep(L, 2);
    struct repeat *repeat = NEW(struct repeat);
    *repeat = (struct repeat){.scripts = scripts, .period_ms = (uint64_t)(seconds * 1000), .fn = fn};
    list_append(&scripts->registered.repeats, &repeat->link);
    return 0;
}

/* Registers a test that runs when a generation is checked; if it raises, the generation is refused.
 * @function stoa.selftest
 * @param name a sentence: what must hold
 * @param fn the function; it cannot wait
 * @example stoa.selftest("owners may delete", function() assert(may_delete{role = "owner"}) end) */
static int selftest(lua_State *L) {
    struct script_state *scripts = script_state_loading(L);
    struct slice name = bind_text(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    int fn = keep(L, 2);
    struct named *test = NEW(struct named);
    *test = (struct named){.name = memory_copy(name.ptr, name.len), .fn = fn};
    list_append(&scripts->registered.tests, &test->link);
    return 0;
}

/* Waits; other tasks run meanwhile.
 * @function stoa.sleep
 * @param seconds at most 86400
 * @return true; waits
 * @example stoa.sleep(0.5) */
static int sleep_for(lua_State *L) {
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= 86400, 1, "0 to 86400 seconds expected");
    return task_sleep(L, (unsigned)(seconds * 1000) + 1);
}

struct spawn {
    lua_State *L;
    int len;
};

static int push_spawned(lua_State *L, void *owner) {
    const struct spawn *spawn = owner;
    luaL_checkstack(L, spawn->len, "too many arguments");
    lua_xmove(spawn->L, L, spawn->len);
    return spawn->len;
}

/* Runs a function as a new task: at once until it first waits, then concurrently with the caller.
 * @function stoa.spawn
 * @param fn the function
 * @param … its arguments
 * @return true
 * @error overloaded: too many tasks wait already, or each has started the next one at once
 * @example stoa.spawn(function() stoa.sleep(5) socket:emit("later") end) */
static int spawn(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    script_state_worker(L);
    struct spawn spawned = {L, lua_gettop(L)};
    struct task_start start = {.what = "spawn", .push = push_spawned, .owner = &spawned};
    return task_start(script_state_of(L)->tasks, &start) ? bind_true(L) : bind_fail(L, "overloaded");
}

/* The time.
 * @function stoa.now
 * @return Unix seconds with a fraction
 * @example local age = stoa.now() - started */
static int now(lua_State *L) {
    lua_pushnumber(L, (double)loop_wall_ms(script_state_of(L)->worker->loop) / 1000);
    return 1;
}

/* A time as text, in the form used in events.
 * @function stoa.iso
 * @param seconds Unix seconds; now when absent
 * @return "2026-01-31T12:00:00.000Z"
 * @example socket:emit("clock", stoa.iso()) */
static int iso(lua_State *L) {
    double seconds = luaL_optnumber(L, 1, (double)loop_wall_ms(script_state_of(L)->worker->loop) / 1000);
    luaL_argcheck(L, seconds >= 0 && seconds < 253402300800.0, 1, "a year up to 9999 expected");
    uint64_t ms = (uint64_t)(seconds * 1000 + 0.5);
    char text[WALL_TIME_MAX];
    wall_time_write(text, (int64_t)ms);
    lua_pushstring(L, text);
    return 1;
}

/* Sends an event to every socket of every namespace, on every worker.
 * @function stoa.broadcast
 * @param event the name
 * @param … the arguments
 * @return true
 * @example stoa.broadcast("server:maintenance", {action = "prepare_reconnect", reconnectDelay = 5000}) */
static int broadcast(lua_State *L) {
    struct worker *worker = script_state_worker(L);
    bind_check_event(L, 1);
    bind_json(L, 1, lua_gettop(L), 0);
    struct buffer args = bind_take(L);
    fleet_broadcast(worker, buffer_slice(&args));
    bind_release(vm_of(L), &args);
    return bind_true(L);
}

/* How busy this worker is.
 * @function stoa.stats
 * @return {sessions, queued_bytes, events_waiting, appends_pending, tasks, draining}
 * @example if stoa.stats().appends_pending > 5000 then return nil, "overload" end */
static int stats(lua_State *L) {
    struct worker *worker = script_state_worker(L);
    const struct {
        const char *name;
        double value;
    } rows[] = {{"sessions", (double)hub_sessions(worker->hub)},
                {"queued_bytes", (double)hub_queued_bytes(worker->hub)},
                {"events_waiting", (double)hub_events_waiting(worker->hub)},
                {"appends_pending", channel_log_pending(worker->channels.log)},
                {"tasks", tasks_len(script_state_of(L)->tasks)}};
    lua_newtable(L);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lua_pushnumber(L, rows[i].value);
        lua_setfield(L, -2, rows[i].name);
    }
    lua_pushboolean(L, worker->draining);
    lua_setfield(L, -2, "draining");
    return 1;
}

/* ---- */

static void push_namespace(lua_State *L, const char *name) {
    static const luaL_Reg functions[] = {{"on", on}, {"hook", hook}, {NULL, NULL}};
    for (const luaL_Reg *function = functions; function->name; function++) {
        lua_pushstring(L, name);
        lua_pushcclosure(L, function->func, 1);
        lua_setfield(L, -2, function->name);
    }
    bind_room_namespace(L, name);
}

/* Calls the hooks of a point, each in its own task; does not wait, and no hook can refuse.
 * @function stoa.tell
 * @param point "deliver", "leave", "channel:created", "member"
 * @param … the arguments of the hooks
 * @example stoa.tell("deliver", socket, arguments, receipt) */

/* Asks the hooks of a point, in the order of registration.
 * @function stoa.ask
 * @param point "admit", "join", "send", "upload"
 * @param … the arguments of the hooks
 * @return what the last hook returned; true if no hook is registered; waits if a hook waits
 * @error the first refusal: nil, word, detail. Raises if a hook returns nothing
 * @example local allowed, word = stoa.ask("join", socket, channel_id) */
static void add_hooks(lua_State *L) {
    static const lua_CFunction own[] = {find_hooks, spawn, decides, line_of};
    enum { OWN = sizeof own / sizeof *own };
    for (size_t i = 0; i < OWN; i++) lua_pushcfunction(L, own[i]);
    sandbox_run_embedded(L, "hooks", OWN);
    lua_getfield(L, -1, "ask_point");
    lua_setfield(L, -3, "ask");
    lua_getfield(L, -1, "tell_point");
    lua_setfield(L, -3, "tell");
    hook_call_keep(L);
}

/* Reports the state of a part that scripts monitor to /health: the server is "degraded" while a part has a problem. A
 * reload clears the reports of the old scripts.
 * @function stoa.health
 * @param part a name of your own, [a-z_]+, at most 31 bytes; 8 parts at most
 * @param ailment a few words, at most 127 bytes; nil: the part is well
 * @return true
 * @error refused: no such name, too many, or other scripts are in force
 * @example stoa.health("payments", "the bank does not answer") */
static int health(lua_State *L) {
    struct script_state *scripts = script_state_of(L);
    struct slice part = bind_text(L, 1), ailment = lua_isnoneornil(L, 2) ? SLICE_NONE : bind_text(L, 2);
    bool current = scripts->owner.policy && scripts->owner.policy == (void *)scripts->worker->scripts.policy;
    return current && script_health_set(&scripts->worker->scripts.health, part, ailment) ? bind_true(L)
                                                                                         : bind_fail(L, "refused");
}

/* Aborts the loading of the scripts because a setting that they need is missing or wrong. `stoa check`, the start and a
 * reload report it like a mistake in any key, with the file and line of the setting.
 * @function stoa.refuse_config
 * @param key dotted
 * @param problem what is wrong, and the remedy
 * @error always raises
 * @example if not stoa.config.app.team then stoa.refuse_config("app.team", "is missing: the name of your team") end */
static int refuse_config(lua_State *L) {
    struct slice key = bind_text(L, 1), problem = bind_text(L, 2);
    struct error error;
    config_complain(script_state_loading(L)->config, key.ptr, &error, "%s", problem.ptr);
    lua_pushstring(L, error.text);
    return lua_error(L);
}

void bind_stoa(lua_State *L) {
    static const luaL_Reg functions[] = {{"of", of},
                                         {"route", route},
                                         {"every", every},
                                         {"sleep", sleep_for},
                                         {"spawn", spawn},
                                         {"now", now},
                                         {"iso", iso},
                                         {"stats", stats},
                                         {"broadcast", broadcast},
                                         {"selftest", selftest},
                                         {"health", health},
                                         {"refuse_config", refuse_config},
                                         {NULL, NULL}};
    struct buffer *scratch = &vm_of(L)->out;
    const struct script_state *scripts = script_state_of(L);
    luaL_register(L, NULL, functions);
    push_namespace(L, "/");
    add_hooks(L);
    buffer_clear(scratch);
    value_write_json(scripts->config->tree, scratch);
    script_json_push(L, buffer_slice(scratch), NULL, 0);
    lua_setfield(L, -2, "config");
    lua_pushstring(L, STOA_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushinteger(L, (lua_Integer)scripts->generation);
    lua_setfield(L, -2, "generation");
}
