/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a configuration file: sandboxed Lua that ends in "return { key = value, … }". */
#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"
#include "config/doubts.h"
#include "config/file.h"
#include "config/key_lines.h"
#include "config/value.h"
#include "lua/config_reader.h"
#include "lua/sandbox.h"
#include "lua/types.h"
#include "lua/vm.h"

enum { DEPTH_MAX = 16, VALUES_MAX = 20000 };

static const struct vm_settings settings = {.memory_bytes = (size_t)32 << 20,
                                            .run = {.instructions = 10000000, .wall_ms = 2000}};

struct reading {
    const char *path;
    struct buffer bytes; /* of the file */
    struct slice text;
    struct value *tree; /* the reader owns it */
    unsigned values;
};

/* ---- from Lua to values ---- */

static struct value *convert(lua_State *L, int index, struct reading *reading, struct value *parent, const char *key,
                             unsigned depth);

static void convert_table(lua_State *L, int table, struct reading *reading, struct value *value, unsigned depth) {
    size_t len = lua_objlen(L, table);
    for (size_t i = 1; i <= len; i++) {
        lua_rawgeti(L, table, (int)i);
        convert(L, lua_gettop(L), reading, value, NULL, depth + 1);
        lua_pop(L, 1);
    }
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        int key = lua_gettop(L) - 1;
        if (lua_type(L, key) == LUA_TNUMBER) {
            double number = lua_tonumber(L, key);
            if (number >= 1 && number <= (double)len && number == floor(number)) continue;
            luaL_error(L, "%s:1: a list has holes", reading->path);
        }
        if (lua_type(L, key) != LUA_TSTRING)
            luaL_error(L, "%s:1: a key is a %s, not a name", reading->path, luaL_typename(L, key));
        const char *name = lua_tostring(L, key);
        if (strlen(name) != lua_objlen(L, key)) luaL_error(L, "%s:1: a key holds a NUL", reading->path);
        convert(L, key + 1, reading, value, name, depth + 1);
    }
}

/* Adds the value at index to its parent at once, so that an error leaks nothing. */
static struct value *convert(lua_State *L, int index, struct reading *reading, struct value *parent, const char *key,
                             unsigned depth) {
    static const enum value_type types[] = {[LUA_TBOOLEAN] = VALUE_BOOLEAN,
                                            [LUA_TNUMBER] = VALUE_NUMBER,
                                            [LUA_TSTRING] = VALUE_TEXT,
                                            [LUA_TTABLE] = VALUE_TABLE};
    int type = lua_type(L, index);
    luaL_checkstack(L, 6, "too deep");
    if (type != LUA_TBOOLEAN && type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TTABLE)
        luaL_error(L, "%s:1: %s: a %s is no value", reading->path, key ? key : "list item", luaL_typename(L, index));
    if (depth > DEPTH_MAX || ++reading->values > VALUES_MAX)
        luaL_error(L, "%s:1: %s: nested too deeply, or too large", reading->path, key ? key : "list item");
    struct value *value = value_new(types[type], key), *added = value;
    if (parent)
        value_add(parent, &added);
    else
        reading->tree = value;
    if (type == LUA_TBOOLEAN) value->boolean = lua_toboolean(L, index);
    if (type == LUA_TNUMBER) value->number = lua_tonumber(L, index);
    if (type == LUA_TSTRING) {
        const char *text = lua_tostring(L, index);
        if (strlen(text) != lua_objlen(L, index))
            luaL_error(L, "%s:1: %s: holds a NUL", reading->path, key ? key : "text");
        value->text = memory_copy(text, strlen(text));
    }
    if (type == LUA_TTABLE) convert_table(L, index, reading, value, depth);
    return value;
}

/* env "NAME": returns the environment variable, or nil. */
static int env(lua_State *L) {
    lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
    return 1;
}

static int evaluate(lua_State *L) {
    struct reading *reading = lua_touserdata(L, 1);
    sandbox_open(L, NULL);
    sandbox_load(L, reading->path, reading->text);
    lua_getfenv(L, -1);
    lua_pushcfunction(L, env);
    lua_setfield(L, -2, "env");
    lua_insert(L, -2);
    lua_call(L, 0, 1);
    lua_insert(L, -2);
    sandbox_check_globals(L, reading->path, reading->text);
    convert(L, lua_gettop(L), reading, NULL, NULL, 0);
    return 0;
}

/* LuaJIT shortens long paths in messages to "...tail": restores the whole path. */
static void complete_path(struct error *error, const char *path) {
    if (strncmp(error->text, "...", 3) != 0) return;
    size_t tail = strcspn(error->text + 3, ":"), len = strlen(path);
    if (tail > len || strncmp(path + len - tail, error->text + 3, tail) != 0) return;
    struct error whole;
    error_set(&whole, "%s%s", path, error->text + 3 + tail);
    *error = whole;
}

static bool run(struct reading *reading, struct error *error_r) {
    struct vm *vm = vm_new(&settings, reading);
    struct error error = {{0}};
    bool good = false;
    if (vm) {
        vm->loading = true;
        vm_begin(vm, &settings.run);
        good = vm_protect(vm, evaluate, reading, &error);
    }
    vm_free(&vm);
    if (good) return true;
    value_free(&reading->tree);
    complete_path(&error, reading->path);
    bool placed = strncmp(error.text, reading->path, strlen(reading->path)) == 0;
    error_set(error_r, "%s%s%s", placed ? "" : reading->path, placed ? "" : ":1: ", error.text);
    return false;
}

/* ---- --set a.b=VALUE ---- */

static bool apply_set(struct value *tree, const char *set, struct error *error_r) {
    const char *equals = strchr(set, '='), *empty = strstr(set, "..");
    if (!equals || equals == set || set[0] == '.' || equals[-1] == '.' || (empty && empty < equals)) {
        error_set(error_r, "--set %s: expected KEY=VALUE", set);
        return false;
    }
    struct buffer expression = {0};
    buffer_append_str(&expression, "return ");
    buffer_append_str(&expression, equals + 1);
    struct reading reading = {.path = "--set", .text = buffer_slice(&expression)};
    struct value *leaf;
    if (run(&reading, NULL)) {
        leaf = reading.tree;
    } else {
        leaf = value_new(VALUE_TEXT, NULL);
        leaf->text = memory_copy(equals + 1, strlen(equals + 1));
    }
    char *key = memory_copy(set, (size_t)(equals - set));
    struct error error;
    bool good = value_set(tree, key, &leaf, &error);
    if (!good) error_set(error_r, "--set %s", error.text);
    free(key);
    buffer_done(&expression);
    return good;
}

static char *absolute(const char *path) {
    char *folder = getcwd(NULL, 0);
    char *whole = file_resolve(folder ? folder : "/", path);
    free(folder);
    return whole;
}

/* reading->path is absolute. */
static bool read_tree(struct reading *reading, const char *const *sets, size_t sets_len, struct error *error_r) {
    struct error error;
    bool good = file_read(reading->path, &reading->bytes, &error);
    if (!good) error_set(error_r, "%s:1: %s", reading->path, error.text);
    reading->text = reading->bytes.len > 0 ? buffer_slice(&reading->bytes) : SLICE("");
    good = good && run(reading, error_r);
    if (good) key_lines_add(reading->tree, reading->text);
    for (size_t i = 0; good && i < sets_len; i++) {
        if (reading->tree->type != VALUE_TABLE) break;
        good = apply_set(reading->tree, sets[i], error_r);
    }
    return good;
}

static void reading_done(struct reading *reading) {
    value_free(&reading->tree);
    buffer_done(&reading->bytes);
}

static void doubt_unset(void *owner, unsigned line, struct slice name) {
    char *text = memory_copy(name.ptr, name.len);
    if (!getenv(text))
        doubts_add(owner, line, "env", "%s is not set: nil stands there; env \"%s\" or nil, where that is meant", text,
                   text);
    free(text);
}

struct config *config_reader_read(const char *path, const char *const *sets, size_t sets_len, struct error *error_r) {
    char *whole = absolute(path);
    struct reading reading = {.path = whole};
    bool good = read_tree(&reading, sets, sets_len, error_r);
    struct config *config = good ? config_new(whole, &reading.tree, error_r) : NULL;
    if (config) key_lines_each_env(buffer_slice(&reading.bytes), doubt_unset, config);
    reading_done(&reading);
    free(whole);
    return config;
}

bool config_reader_peek(const char *path, const char *const *sets, size_t sets_len, const char *const *names,
                        char **texts_r, struct error *error_r) {
    char *whole = absolute(path);
    struct reading reading = {.path = whole};
    bool good = read_tree(&reading, sets, sets_len, error_r);
    for (size_t i = 0; names[i]; i++) texts_r[i] = good ? config_peek(reading.tree, whole, names[i]) : NULL;
    reading_done(&reading);
    free(whole);
    return good;
}

struct config *config_reader_from_table(lua_State *L, int index, const char *path, struct error *error_r) {
    struct reading reading = {.path = path};
    convert(L, index, &reading, NULL, NULL, 0);
    return config_new(path, &reading.tree, error_r);
}
