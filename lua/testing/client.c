/* SPDX-License-Identifier: Apache-2.0 */
/* A client of the world: sends and takes transport messages; testing.lua knows their content. */
#include "lua/testing/client.h"

#include "lua/script_json.h"
#include "lua/testing/local_client.h"
#include "lua/testing/testing.h"
#include "lua/types.h"

static const char CLIENT[] = "stoa.testing.client";

struct client {
    struct world *world;
    struct local_client *local; /* NULL: ended */
};

static struct client *client_at(lua_State *L) {
    return types_check(L, 1, CLIENT);
}

static int collect(lua_State *L) {
    struct client *client = lua_touserdata(L, 1);
    if (client->local && client->world->open) local_client_free(&client->local);
    client->local = NULL;
    return 0;
}

static int send(lua_State *L) {
    struct client *client = client_at(L);
    struct slice message;
    message.ptr = luaL_checklstring(L, 2, &message.len);
    if (client->local && client->world->open) local_client_send(client->local, message, lua_toboolean(L, 3));
    return 0;
}

/* Returns message, is_binary; nothing if no message has come. */
static int take(lua_State *L) {
    struct client *client = client_at(L);
    struct buffer *out = &client->world->out;
    bool binary = false;
    buffer_clear(out);
    if (!client->local || !client->world->open || !local_client_take(client->local, out, &binary)) return 0;
    lua_pushlstring(L, out->ptr ? out->ptr : "", out->len);
    lua_pushboolean(L, binary);
    return 2;
}

static int close(lua_State *L) {
    struct client *client = client_at(L);
    struct slice reason;
    reason.ptr = luaL_optlstring(L, 3, "", &reason.len);
    if (client->local && client->world->open)
        local_client_close(client->local, (uint16_t)luaL_checkinteger(L, 2), reason);
    return 0;
}

static int leave(lua_State *L) {
    struct client *client = client_at(L);
    if (client->local && client->world->open) local_client_leave(client->local);
    return 0;
}

/* Returns close code, reason; nothing while the client is open. */
static int closed(lua_State *L) {
    struct client *client = client_at(L);
    uint16_t code;
    struct slice reason;
    if (!client->local || !client->world->open || !local_client_closed(client->local, &code, &reason)) return 0;
    lua_pushinteger(L, code);
    lua_pushlstring(L, reason.ptr ? reason.ptr : "", reason.len);
    return 2;
}

/* Appends the options' field, as a JSON object, to the world's buffer. */
static struct slice json_field(lua_State *L, struct world *world, const char *name, size_t *start) {
    struct json_out json = {.out = &world->out, .max_bytes = 65536};
    *start = world->out.len;
    lua_getfield(L, 2, name);
    if (!lua_isnil(L, -1) && !script_json_pull(L, -1, &json)) luaL_error(L, "%s: %s", name, json.problem);
    lua_pop(L, 1);
    return (struct slice){NULL, world->out.len - *start};
}

int client_new(lua_State *L) {
    struct world *world = world_at(L, 1);
    size_t query, headers;
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    buffer_clear(&world->out);
    struct local_client_options options = {.answers_pings = true};
    options.query = json_field(L, world, "query", &query);
    options.headers = json_field(L, world, "headers", &headers);
    if (options.query.len > 0) options.query.ptr = world->out.ptr + query;
    if (options.headers.len > 0) options.headers.ptr = world->out.ptr + headers;
    lua_getfield(L, 2, "address");
    options.address = lua_tostring(L, -1);
    lua_getfield(L, 2, "endpoint");
    options.endpoint_path = lua_tostring(L, -1);
    lua_getfield(L, 2, "protocol");
    options.protocol = lua_tostring(L, -1);
    lua_getfield(L, 2, "plain");
    options.plain = lua_toboolean(L, -1);
    struct client *client = types_new(L, CLIENT, sizeof *client);
    lua_createtable(L, 1, 0); /* the client keeps its world */
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, -2);
    client->world = world;
    client->local = local_client_new(world->worker.hub, &options);
    if (!client->local) lua_pushnil(L);
    return 1;
}

void client_open(lua_State *L) {
    static const luaL_Reg methods[] = {{"send", send},   {"take", take},     {"leave", leave},
                                       {"close", close}, {"closed", closed}, {NULL, NULL}};
    types_class(L, CLIENT, methods, NULL, collect);
}
