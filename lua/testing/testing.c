/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/testing/testing.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/monotonic.h"
#include "config/config.h"
#include "config/file.h"
#include "loop/loop.h"
#include "lua/config_reader.h"
#include "lua/sandbox.h"
#include "lua/script_json.h"
#include "lua/script_policy.h"
#include "lua/testing/client.h"
#include "lua/testing/odd_store.h"
#include "lua/types.h"
#include "policy/policy.h"
#include "wire/json.h"

static const char WORLD[] = "stoa.testing.world";
enum { SETTLE_MS = 2000, IDLE_TURNS = 3, DONE_MS = 2000 };

extern const struct embedded testing_embedded[];
int luaopen_stoa_testing(lua_State *L);

struct world *world_at(lua_State *L, int index) {
    struct world *world = types_check(L, index, WORLD);
    if (!world->open) luaL_error(L, "the world is closed");
    return world;
}

static void nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void turn_all(struct world *world) {
    while (loop_turn(world->loop)) continue;
}

/* The clock stands still, but the store has its own threads: runs turns until nothing is ready and the store has
 * answered, for a few naps in a row. */
static void settle(struct world *world) {
    uint64_t end_ms = monotonic_ms() + SETTLE_MS;
    for (unsigned idle = 0; idle < IDLE_TURNS && monotonic_ms() < end_ms;) {
        bool busy = loop_turn(world->loop);
        turn_all(world);
        if (busy || odd_store_under_way(world->store) > 0)
            idle = 0;
        else
            idle++;
        if (!busy) nap();
    }
}

static void world_close(struct world *world) {
    if (!world->open) return;
    world->open = false;
    odd_store_end(world->store);
    worker_done(&world->worker, DONE_MS);
    turn_all(world);
    loop_free(&world->loop);
    config_unref(&world->config);
    buffer_done(&world->scratch);
    buffer_done(&world->out);
}

/* Reads the table on top as a configuration file in the tests' working folder. */
static struct config *read_config(lua_State *L, struct error *error_r) {
    char *folder = getcwd(NULL, 0);
    char *path = file_resolve(folder ? folder : "/", "testing.lua");
    free(folder);
    lua_pushstring(L, path);
    free(path);
    struct config *config = config_reader_from_table(L, lua_gettop(L) - 1, lua_tostring(L, -1), error_r);
    lua_pop(L, 1);
    return config;
}

/* world(config): returns a world, or nil, error. */
static int world_new(lua_State *L) {
    struct error error;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct world *world = types_new(L, WORLD, sizeof *world);
    lua_pushvalue(L, 1);
    world->config = read_config(L, &error);
    if (world->config) {
        world->loop = loop_new_with_fake_clock();
        world->open =
            worker_init(&world->worker, world->loop, world->config, &script_policy_source, 1, NULL, NULL, &error);
        if (world->open) {
            world->store = odd_store_new(world->loop, world->worker.store);
        } else {
            turn_all(world);
            loop_free(&world->loop);
            config_unref(&world->config);
        }
    }
    if (!world->open) {
        lua_pushnil(L);
        lua_pushstring(L, error.text);
        return 2;
    }
    lua_settop(L, 2);
    return 1;
}

static int world_collect(lua_State *L) {
    world_close(lua_touserdata(L, 1));
    return 0;
}

static int close_world(lua_State *L) {
    world_close(types_check(L, 1, WORLD));
    return 0;
}

static int reload(lua_State *L) {
    struct world *world = world_at(L, 1);
    struct error error;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    struct config *config = read_config(L, &error);
    struct worker *worker = &world->worker;
    struct upcoming *next = config ? worker_prepare(worker, config, worker->scripts.generation + 1, &error) : NULL;
    if (config) config_unref(&config);
    if (next) {
        worker_enact(worker, &next);
        turn_all(world);
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, error.text);
    return 2;
}

/* Sets when the store answers from now on: within each call ("at once"), when no request is under way ("together"), or
 * at the world's end ("late"). */
static int make_store_odd(lua_State *L) {
    static const char *const modes[] = {[ODD_STORE_PLAIN] = "plain",
                                        [ODD_STORE_AT_ONCE] = "at once",
                                        [ODD_STORE_TOGETHER] = "together",
                                        [ODD_STORE_LATE] = "late",
                                        NULL};
    struct world *world = world_at(L, 1);
    int mode = luaL_checkoption(L, 2, NULL, modes);
    settle(world);
    odd_store_set(world->store, (enum odd_store_mode)mode);
    return 0;
}

static int settle_world(lua_State *L) {
    settle(world_at(L, 1));
    return 0;
}

/* Runs one turn; returns whether something was ready. Naps if nothing was. */
static int turn(lua_State *L) {
    struct world *world = world_at(L, 1);
    bool busy = loop_turn(world->loop);
    if (!busy) nap();
    lua_pushboolean(L, busy);
    return 1;
}

static int advance(lua_State *L) {
    struct world *world = world_at(L, 1);
    double seconds = luaL_checknumber(L, 2);
    luaL_argcheck(L, seconds >= 0 && seconds <= 1e8, 2, "seconds expected");
    settle(world);
    loop_advance(world->loop, (uint64_t)(seconds * 1000));
    settle(world);
    return 0;
}

static int now(lua_State *L) {
    lua_pushnumber(L, (double)loop_wall_ms(world_at(L, 1)->loop) / 1000);
    return 1;
}

/* ---- HTTP ---- */

struct exchange {
    struct policy_call call;
    bool answered;
    enum policy_status status;
    struct buffer json;
};

static void answered(struct policy_call *call, const struct policy_answer *answer) {
    struct exchange *exchange = CONTAINER(call, struct exchange, call);
    exchange->answered = true;
    exchange->status = answer->status;
    buffer_append_slice(&exchange->json, answer->json);
}

/* Sends the request and waits for the answer. */
static void ask_route(struct world *world, struct exchange *exchange, enum policy_point point) {
    exchange->call.point = point;
    exchange->answered = false;
    buffer_clear(&exchange->json);
    policy_ask(world->worker.scripts.policy, &exchange->call);
    uint64_t end_ms = monotonic_ms() + SETTLE_MS;
    while (!exchange->answered && monotonic_ms() < end_ms)
        if (!loop_turn(world->loop)) nap();
    turn_all(world);
    policy_forget(world->worker.scripts.policy, &exchange->call);
}

/* route(name, request, body): returns the answer's table, or nil and the policy's status. */
static int route(lua_State *L) {
    struct world *world = world_at(L, 1);
    struct policy *policy = world->worker.scripts.policy;
    struct exchange exchange = {.call = {.done = answered, .wants_answer = true}};
    struct json_out json = {.out = &world->out, .max_bytes = 16 << 20};
    exchange.call.name.ptr = luaL_checklstring(L, 2, &exchange.call.name.len);
    exchange.call.data.ptr = luaL_checklstring(L, 4, &exchange.call.data.len);
    buffer_clear(json.out);
    if (!script_json_pull(L, 3, &json)) return luaL_error(L, "request: %s", json.problem);
    exchange.call.json = buffer_slice(json.out);
    bool by_head = policy->ops->handles(policy, POLICY_ROUTE_HEAD, SLICE_NONE, exchange.call.name);
    if (by_head) ask_route(world, &exchange, POLICY_ROUTE_HEAD);
    if (by_head && exchange.answered && exchange.status == POLICY_OK) {
        json.out->len--; /* the closing brace */
        buffer_append_str(json.out, ",\"passed\":");
        buffer_append_slice(json.out, buffer_slice(&exchange.json));
        buffer_append_char(json.out, '}');
        exchange.call.json = buffer_slice(json.out);
        by_head = false;
    }
    if (!by_head) ask_route(world, &exchange, POLICY_ROUTE);
    bool replied = exchange.status == POLICY_OK || (by_head && exchange.json.len > 0);
    if (exchange.answered && replied) {
        buffer_clear(&world->out);
        buffer_append_slice(&world->out, buffer_slice(&exchange.json));
        buffer_done(&exchange.json);
        script_json_push_in(L, buffer_slice(&world->out), NULL, 0, &world->scratch);
        return 1;
    }
    buffer_done(&exchange.json);
    lua_pushnil(L);
    lua_pushinteger(L, exchange.answered ? (lua_Integer)exchange.status : -1);
    return 2;
}

/* ---- JSON ---- */

/* decode(text, {bytes…}?): returns the value; nothing if the text is not JSON. */
static int decode(lua_State *L) {
    struct world *world = world_at(L, 1);
    struct slice text, attachments[JSON_ATTACHMENTS_MAX];
    unsigned len = 0;
    text.ptr = luaL_checklstring(L, 2, &text.len);
    if (!json_valid(text)) return 0;
    for (; lua_istable(L, 3) && len < JSON_ATTACHMENTS_MAX && len < lua_objlen(L, 3); len++) {
        lua_rawgeti(L, 3, (int)len + 1);
        attachments[len].ptr = luaL_checklstring(L, -1, &attachments[len].len);
    }
    script_json_push_in(L, text, attachments, len, &world->scratch);
    return 1;
}

/* encode(value…): returns the JSON array of the values, {bytes…}. */
static int encode(lua_State *L) {
    struct world *world = world_at(L, 1);
    struct json_out json = {.out = &world->out, .max_bytes = 16 << 20, .attachments_max = JSON_ATTACHMENTS_MAX};
    int last = lua_gettop(L);
    buffer_clear(json.out);
    if (!script_json_pull_array(L, 2, last, &json)) return luaL_error(L, "cannot send %s", json.problem);
    lua_pushlstring(L, json.out->ptr, json.out->len);
    lua_newtable(L);
    for (unsigned i = 0; i < json.attachments_len; i++) {
        lua_pushlstring(L, json.attachments[i].ptr, json.attachments[i].len);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 2;
}

static int array(lua_State *L) {
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    types_mark_array(L);
    return 1;
}

static int binary(lua_State *L) {
    struct slice bytes;
    bytes.ptr = luaL_checklstring(L, 1, &bytes.len);
    types_push_binary(L, bytes);
    return 1;
}

static int log_level(lua_State *L) {
    enum log_level level;
    if (!log_level_of(luaL_checkstring(L, 1), &level)) return luaL_error(L, "no such level");
    log_set_level(level);
    return 0;
}

/* What the server logs, for a test to read. The process has one log sink. */
static struct buffer logged;

static void keep_line(void *owner, struct slice line) {
    buffer_append_slice(owner, line);
}

/* metrics(): returns the metrics page of all worlds of this process. */
static int metrics(lua_State *L) {
    struct buffer page = {0};
    metrics_render(&page);
    lua_pushlstring(L, page.ptr ? page.ptr : "", page.len);
    buffer_done(&page);
    return 1;
}

/* capture_log() keeps the log lines off stderr; logged() returns the lines since the last call. */
static int capture_log(lua_State *L) {
    (void)L;
    log_set_sink(keep_line, &logged);
    return 0;
}

static int take_logged(lua_State *L) {
    lua_pushlstring(L, logged.ptr ? logged.ptr : "", logged.len);
    buffer_clear(&logged);
    return 1;
}

int luaopen_stoa_testing(lua_State *L) {
    static const luaL_Reg methods[] = {{"close", close_world},
                                       {"reload", reload},
                                       {"settle", settle_world},
                                       {"odd_store", make_store_odd},
                                       {"turn", turn},
                                       {"advance", advance},
                                       {"now", now},
                                       {"route", route},
                                       {"client", client_new},
                                       {"decode", decode},
                                       {"encode", encode},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"world", world_new},         {"array", array},        {"binary", binary},   {"log_level", log_level},
        {"capture_log", capture_log}, {"logged", take_logged}, {"metrics", metrics}, {NULL, NULL}};
    types_open(L);
    types_class(L, WORLD, methods, NULL, world_collect);
    client_open(L);
    if (luaL_loadbuffer(L, (const char *)testing_embedded[0].text, testing_embedded[0].len, "=stoa.testing") != 0)
        return lua_error(L);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    types_push_null(L);
    lua_setfield(L, -2, "null");
    log_set_level(LOG_ERROR);
    lua_call(L, 1, 1);
    return 1;
}
