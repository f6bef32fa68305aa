/* SPDX-License-Identifier: Apache-2.0 */
/* stoa.shards and stoa.bucket: where channels live. */
#include <math.h>
#include <stdio.h>

#include "base/log.h"
#include "lua/bind_internal.h"
#include "store/shard_map.h"

static void add_range(lua_State *L, struct shard_map *map, int index) {
    unsigned numbers[3];
    struct error error;
    for (int i = 0; i < 3; i++) {
        lua_rawgeti(L, index, i + 1);
        double number = luaL_checknumber(L, -1);
        if (number != floor(number) || number < 0 || number >= SHARD_BUCKETS)
            luaL_error(L, "stoa.shards: a range is {first bucket, last bucket, shard}");
        numbers[i] = (unsigned)number;
        lua_pop(L, 1);
    }
    if (!shard_map_add(map, numbers[0], numbers[1], numbers[2], &error)) luaL_error(L, "stoa.shards: %s", error.text);
}

static void add_ranges(lua_State *L, struct shard_map *map) {
    struct error error;
    bind_push_field(L, 1, "ranges");
    luaL_checktype(L, -1, LUA_TTABLE);
    int ranges = lua_gettop(L);
    for (int i = 1; i <= (int)lua_objlen(L, ranges); i++) {
        lua_rawgeti(L, ranges, i);
        luaL_checktype(L, -1, LUA_TTABLE);
        add_range(L, map, lua_gettop(L));
        lua_pop(L, 1);
    }
    if (!shard_map_is_total(map, &error)) luaL_error(L, "stoa.shards: %s", error.text);
}

/* A request for a channel's shard. */
struct located {
    int fn, shard;
    struct slice channel_id;
};

static int call_locate(lua_State *L) {
    struct located *located = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, located->fn);
    lua_pushlstring(L, located->channel_id.ptr, located->channel_id.len);
    lua_call(L, 1, 1);
    located->shard = lua_isnumber(L, -1) ? (int)lua_tointeger(L, -1) : -1;
    return 0;
}

/* Called by the store, even while a script is running; the script's budget is restored afterwards. */
static int locate(void *owner, struct slice channel_id) {
    struct script_state *scripts = owner;
    struct vm *vm = scripts->vm;
    struct located located = {scripts->made.locate, -1, channel_id};
    struct error error;
    bool ready = scripts->ready;
    scripts->ready = false; /* the caller may be in the middle of something */
    if (!vm_protect_apart(vm, call_locate, &located, &error)) {
        LOG(LOG_ERROR, "script.error", LOG_TEXT("in", "locate"), LOG_SLICE("channel", channel_id),
            LOG_TEXT("error", error.text));
        located.shard = -1;
    }
    scripts->ready = ready;
    return located.shard;
}

/* Maps the 4,096 buckets of channel ids to shards, each exactly once; or, with locate, lets a function decide. It must
 * always return the same shard for a channel, on every node. It cannot wait, and functions with side effects fail in
 * it.
 * @function stoa.shards
 * @param map {shards = 2, ranges = {{0, 2047, 0}, {2048, 4095, 1}}}, or {shards = 2, locate = function(channel_id)}
 * @error raises when a bucket is mapped twice or not at all
 * @example stoa.shards{shards = 1, ranges = {{0, 4095, 0}}} */
static int shards(lua_State *L) {
    struct script_state *scripts = script_state_loading(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    double count = bind_number_field(L, 1, "shards", 0);
    if (count != floor(count) || count < 1 || count > SHARDS_MAX)
        return luaL_error(L, "stoa.shards: shards must be 1 to %d", SHARDS_MAX);
    shard_map_unref(&scripts->made.shards);
    scripts->made.shards = shard_map_new((unsigned)count);
    bind_push_field(L, 1, "locate");
    if (lua_isnil(L, -1)) {
        add_ranges(L, scripts->made.shards);
        return 0;
    }
    luaL_checktype(L, -1, LUA_TFUNCTION);
    scripts->made.locate = luaL_ref(L, LUA_REGISTRYINDEX);
    shard_map_set_locate(scripts->made.shards, locate, scripts);
    return 0;
}

/* Where a channel lives.
 * @function stoa.bucket
 * @param channel_id a channel's id
 * @return its bucket, 0 to 4095 (the same on every machine, for ever), and its shard
 * @example local bucket, shard = stoa.bucket("lobby") */
static int bucket(lua_State *L) {
    struct script_state *scripts = script_state_of(L);
    struct slice channel_id = bind_text(L, 1);
    lua_pushinteger(L, (lua_Integer)shard_map_bucket(channel_id));
    lua_pushinteger(L, scripts->made.shards ? shard_map_find(scripts->made.shards, channel_id) : 0);
    return 2;
}

void bind_shards(lua_State *L) {
    static const luaL_Reg functions[] = {{"shards", shards}, {"bucket", bucket}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}
