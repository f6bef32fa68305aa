/* SPDX-License-Identifier: Apache-2.0 */
/* Every function that scripts can call, with random arguments, while clients connect and leave:
 * scripts/lua_api_calls.lua reads the input as a program. Each failure must be a Lua error, and the worker goes on. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "config/config.h"
#include "lua/bind.h"
#include "lua/sandbox.h"
#include "lua/script_state.h"
#include "lua/testing/local_client.h"
#include "policy/policy.h"
#include "policy/shared_values.h"
#include "support/fuzz_world.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

/* GC_AGGRESSIVE: inputs that begin so run with an aggressive garbage collector, which takes five times as long. */
enum { CLIENTS = 5, ROUNDS = 4, INPUT_MAX = 4096, GC_AGGRESSIVE = 224 };

static const struct {
    struct local_client_options options;
    const char *hello, *run;
} kinds[CLIENTS] = {
    {{.answers_pings = true}, "40{\"user\":\"alice\",\"recovery\":1}", "421[\"run\",{\"a\":[]},null,\"text\"]"},
    {{.address = "10.0.0.1"}, "40", "42[\"raw\",1]"},
    {{.plain = true}, "{\"type\":\"connect\"}", "{\"type\":\"event\",\"event\":\"run\",\"args\":[1],\"id\":1}"},
    {{.endpoint_path = "/raw"}, NULL, "hello"},
    {{.endpoint_path = "/engine/"}, NULL, "4hello"},
};

/* ---- the names of all that can be called ---- */

/* Adds "stoa.NAME" or ":NAME" for the functions of the table on top, and of tables in it. */
static void add_names(lua_State *L, struct buffer *out, const char *prefix) {
    char inner[64];
    luaL_checkstack(L, 8, "too deep");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) continue;
        const char *name = lua_tostring(L, -2);
        if (lua_isfunction(L, -1)) buffer_printf(out, "%s%s,", prefix, name);
        if (!lua_istable(L, -1) || !luaL_getmetafield(L, -1, "__index")) continue;
        snprintf(inner, sizeof inner, "%s%s.", prefix, name);
        if (lua_istable(L, -1)) add_names(L, out, inner);
        lua_pop(L, 1);
    }
}

/* Adds the methods of the class whose metatable is on top. */
static void add_methods(lua_State *L, struct buffer *out) {
    lua_pushliteral(L, "__index");
    lua_rawget(L, -2);
    if (lua_iscfunction(L, -1) && lua_getupvalue(L, -1, 1)) lua_replace(L, -2);
    if (lua_istable(L, -1)) add_names(L, out, ":");
    lua_pop(L, 1);
}

static int collect(lua_State *L) {
    struct buffer *out = lua_touserdata(L, 1);
    lua_newtable(L);
    sandbox_load(L, "/names.lua", SLICE("return require 'stoa'"));
    lua_call(L, 0, 1);
    if (!luaL_getmetafield(L, -1, "__index")) return luaL_error(L, "no API");
    add_names(L, out, "");
    for (lua_pushnil(L); lua_next(L, LUA_REGISTRYINDEX); lua_pop(L, 1))
        if (lua_islightuserdata(L, -2) && lua_istable(L, -1)) add_methods(L, out);
    return 0;
}

static struct config *read_config(const char *program, const char *names) {
    struct buffer sets[2] = {0};
    buffer_printf(&sets[0], "app.program=\"%s\"", program);
    buffer_printf(&sets[1], "app.names=\"%s\"", names);
    char *texts[2] = {buffer_take(&sets[0], NULL), buffer_take(&sets[1], NULL)};
    struct config *config = fuzz_config("lua_api.lua", (const char *const *)texts, 2);
    free(texts[0]);
    free(texts[1]);
    return config;
}

/* Runs once, with the tables that scripts get when they are loaded. */
static const char *api_names(void) {
    static char *names;
    struct fuzz_world world;
    struct buffer out = {0};
    struct error error;
    if (names) return names;
    struct config *config = read_config("", "now");
    if (!fuzz_world_open(&world, config, &error)) fprintf(stderr, "%s\n", error.text), abort();
    struct shared *shared = shared_new(world.loop);
    struct script_state *host = script_state_new(&world.worker, config, 2, shared, &error);
    if (!host || !vm_protect(host->vm, collect, &out, &error)) fprintf(stderr, "%s\n", error.text), abort();
    script_state_free(&host);
    shared_unref(&shared);
    fuzz_world_close(&world);
    config_unref(&config);
    return names = buffer_take(&out, NULL);
}

/* ---- the scene ---- */

static struct local_client *clients[CLIENTS];

static void listen(struct local_client *client, struct buffer *got) {
    bool binary;
    while (buffer_clear(got), local_client_take(client, got, &binary)) {
        char answer[32];
        buffer_append_char(got, 0);
        size_t digits = strspn(got->ptr + (got->len > 2 ? 2 : 0), "0123456789");
        if (binary || strncmp(got->ptr, "42", 2) != 0 || digits == 0 || digits > 10) continue;
        snprintf(answer, sizeof answer, "43%.*s[1]", (int)digits, got->ptr + 2);
        local_client_send(client, slice_of(answer), false);
    }
}

static void come(struct fuzz_world *world, size_t index) {
    local_client_free(&clients[index]);
    clients[index] = local_client_new(world->worker.hub, &kinds[index].options);
    if (clients[index] && kinds[index].hello) local_client_send(clients[index], slice_of(kinds[index].hello), false);
}

static void answered(struct policy_call *call, const struct policy_answer *answer) {
    (void)call, (void)answer;
}

static void ask_route(struct fuzz_world *world, struct policy_call *call) {
    *call = (struct policy_call){.point = POLICY_ROUTE,
                                 .name = SLICE("POST /run"),
                                 .json = SLICE("{\"method\":\"POST\",\"path\":\"/run\",\"query\":{},\"headers\":{}}"),
                                 .data = SLICE("{}"),
                                 .done = answered,
                                 .wants_answer = true};
    policy_ask(world->worker.scripts.policy, call);
}

/* Each client runs its script; clients that left connect again, so that some sockets are gone. */
static void play(struct fuzz_world *world, struct config *config, unsigned round, struct buffer *got) {
    struct policy_call call;
    for (size_t i = 0; i < CLIENTS; i++) {
        if (!clients[i] || local_client_closed(clients[i], NULL, NULL) || (round + i) % 3 == 2) come(world, i);
        fuzz_world_turn(world);
        if (clients[i]) local_client_send(clients[i], slice_of(kinds[i].run), false);
    }
    ask_route(world, &call);
    fuzz_world_settle(world);
    policy_forget(world->worker.scripts.policy, &call);
    for (size_t i = 0; i < CLIENTS; i++)
        if (clients[i]) listen(clients[i], got);
    world->refuses = round == 2;
    fuzz_world_advance(world, 1100);
    if (round == 1) (void)fuzz_world_reload(world, config);
}

/* A new client is let in, refused or closed: the worker must go on. */
static void check_alive(struct fuzz_world *world, struct buffer *got) {
    world->refuses = false;
    come(world, 0);
    fuzz_world_advance(world, 4000);
    bool heard = local_client_closed(clients[0], NULL, NULL);
    for (unsigned len = 0; local_client_take(clients[0], got, NULL); len++) heard |= len > 0;
    if (!heard) fprintf(stderr, "nobody answers\n"), abort();
}

static char *hexadecimal(const unsigned char *bytes, size_t len) {
    struct buffer out = {0};
    for (size_t i = 0; i < len && i < INPUT_MAX; i++) buffer_printf(&out, "%02x", bytes[i]);
    return buffer_take(&out, NULL);
}

/* The report of lua_api_calls.lua about a failure that is not a Lua error. */
static void watch(void *owner, struct slice line) {
    (void)owner;
    if (memmem(line.ptr, line.len, "fuzz.broken", 11)) fprintf(stderr, "%.*s\n", SLICE_ARG(line)), abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct fuzz_world world;
    struct buffer got = {0};
    struct error error;
    const char *names = api_names();
    char *program = hexadecimal(bytes, len);
    setenv("STOA_GC", len > 0 && bytes[0] >= GC_AGGRESSIVE ? "aggressive" : "normal", 1);
    struct config *config = read_config(program ? program : "", names);
    if (fuzz_world_open(&world, config, &error)) {
        log_set_sink(watch, NULL);
        for (unsigned round = 0; round < ROUNDS; round++) play(&world, config, round, &got);
        check_alive(&world, &got);
        for (size_t i = 0; i < CLIENTS; i++) local_client_free(&clients[i]);
        fuzz_world_advance(&world, 12000);
        fuzz_world_close(&world);
    }
    config_unref(&config);
    buffer_done(&got);
    free(program);
    return 0;
}
