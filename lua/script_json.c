/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/script_json.h"

#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lua/types.h"
#include "lua/vm.h"
#include "wire/json.h"
#include "wire/utf8.h"

static const double INTEGER_MAX = 9007199254740992.0; /* 2^53: beyond, a double skips integers */

const char JSON_TOO_LARGE[] = "the value is too large";

/* Texts of at most LIGHT_BYTES are not scanned. "{}," takes the most memory per byte (a table and its place in another
 * table); "{\"\":0}," takes the most per mark. */
enum { LIGHT_BYTES = 2048, WEIGHT_A_BYTE = 32, WEIGHT_A_MARK = 96, BYTES_A_STEP = 8 };

struct value_reader {
    lua_State *L;
    unsigned values_left;
    const struct slice *attachments;
    unsigned attachments_len;
    struct buffer *scratch;
};

static void push_value(struct value_reader *reader, struct slice value);

static void push_text(lua_State *L, struct slice text, struct buffer *scratch) {
    /* Most strings have no escape: the bytes between the quotes are the text. */
    if (!memchr(text.ptr, '\\', text.len)) {
        lua_pushlstring(L, text.ptr + 1, text.len - 2);
        return;
    }
    buffer_clear(scratch);
    json_string(text, scratch);
    lua_pushlstring(L, scratch->ptr ? scratch->ptr : "", scratch->len);
}

static void push_number(lua_State *L, struct slice text) {
    double number = json_number(text);
    bool whole =
        !memchr(text.ptr, '.', text.len) && !memchr(text.ptr, 'e', text.len) && !memchr(text.ptr, 'E', text.len);
    /* A double at the limit may also mean the next integer beyond it. */
    bool exact =
        fabs(number) < INTEGER_MAX || slice_is(text, "9007199254740992") || slice_is(text, "-9007199254740992");
    if (!isfinite(number) || (whole && !exact))
        lua_pushlstring(L, text.ptr, text.len);
    else
        lua_pushnumber(L, number);
}

static void push_array(struct value_reader *reader, struct slice value) {
    struct json_walk walk;
    struct slice item;
    lua_createtable(reader->L, 0, 0);
    types_mark_array(reader->L);
    json_walk_init(&walk, value);
    for (int i = 1; json_walk_item(&walk, &item); i++) {
        push_value(reader, item);
        lua_rawseti(reader->L, -2, i);
    }
}

static bool is_placeholder(struct slice object) {
    struct slice mark = json_member(object, "_placeholder");
    return mark.len > 0 && json_type_of(mark) == JSON_TRUE;
}

static void push_attachment(struct value_reader *reader, struct slice object) {
    int64_t number = -1;
    struct slice num = json_member(object, "num");
    if (num.len == 0 || !json_integer(num, &number) || number < 0 || number >= reader->attachments_len)
        luaL_error(reader->L, "a placeholder without its attachment");
    types_push_binary(reader->L, reader->attachments[number]);
}

static void push_object(struct value_reader *reader, struct slice value) {
    struct json_walk walk;
    struct slice key, item;
    if (reader->attachments_len > 0 && is_placeholder(value)) {
        push_attachment(reader, value);
        return;
    }
    lua_createtable(reader->L, 0, value.len > 2 ? 4 : 0);
    json_walk_init(&walk, value);
    while (json_walk_member(&walk, &key, &item)) {
        push_text(reader->L, key, reader->scratch);
        push_value(reader, item);
        lua_rawset(reader->L, -3);
    }
}

static void push_value(struct value_reader *reader, struct slice value) {
    if (reader->values_left-- == 0) luaL_error(reader->L, "%s", JSON_TOO_LARGE);
    luaL_checkstack(reader->L, 4, "JSON is nested too deeply");
    switch (json_type_of(value)) {
        case JSON_NULL:
            types_push_null(reader->L);
            break;
        case JSON_FALSE:
            lua_pushboolean(reader->L, false);
            break;
        case JSON_TRUE:
            lua_pushboolean(reader->L, true);
            break;
        case JSON_NUMBER:
            push_number(reader->L, value);
            break;
        case JSON_STRING:
            push_text(reader->L, value, reader->scratch);
            break;
        case JSON_ARRAY:
            push_array(reader, value);
            break;
        case JSON_OBJECT:
            push_object(reader, value);
            break;
    }
}

size_t script_json_weight(struct slice json) {
    if (json.len <= LIGHT_BYTES) return json.len * WEIGHT_A_BYTE;
    size_t values = 1, names = 0;
    bool quoted = false;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.ptr[i];
        if (c == '"')
            quoted = !quoted;
        else if (quoted && c == '\\')
            i++;
        else if (!quoted && c == ':')
            names++;
        else if (!quoted)
            values += c == ',' || ((c == '[' || c == '{') && !strchr("]}", json.ptr[i + 1]));
    }
    return values > JSON_VALUES_MAX ? SIZE_MAX : json.len + (values + names) * WEIGHT_A_MARK;
}

void script_json_push_in(lua_State *L, struct slice json, const struct slice *attachments, unsigned attachments_len,
                         struct buffer *scratch) {
    struct value_reader reader = {L, JSON_VALUES_MAX, attachments, attachments_len, scratch};
    push_value(&reader, json_trim(json));
}

void script_json_push(lua_State *L, struct slice json, const struct slice *attachments, unsigned attachments_len) {
    vm_charge(L, json.len / BYTES_A_STEP + 1);
    script_json_push_in(L, json, attachments, attachments_len, &vm_of(L)->scratch);
}

void script_json_push_given(lua_State *L, struct slice json) {
    if (json.len > 0 && json_type_of(json) != JSON_NULL)
        script_json_push(L, json, NULL, 0);
    else
        lua_pushnil(L);
}

static bool write_value(lua_State *L, int index, struct json_out *json, unsigned depth);

static bool fail(struct json_out *json, const char *problem) {
    json->problem = problem;
    return false;
}

static bool write_text(lua_State *L, int index, struct json_out *json) {
    struct slice text;
    text.ptr = lua_tolstring(L, index, &text.len);
    if (text.len > json->max_bytes) return fail(json, JSON_TOO_LARGE);
    if (!utf8_valid(text)) return fail(json, "text that is not UTF-8 (use stoa.binary for bytes)");
    json_write_string(json->out, text);
    return true;
}

static bool write_number(lua_State *L, int index, struct json_out *json) {
    double number = lua_tonumber(L, index);
    if (!isfinite(number)) return fail(json, "a number that JSON cannot hold (nan, inf)");
    json_write_number(json->out, number);
    return true;
}

static bool write_items(lua_State *L, int table, struct json_out *json, unsigned depth) {
    size_t len = lua_objlen(L, table);
    buffer_append_char(json->out, '[');
    for (size_t i = 1; i <= len; i++) {
        if (i > 1) buffer_append_char(json->out, ',');
        lua_rawgeti(L, table, (int)i);
        bool written = write_value(L, lua_gettop(L), json, depth + 1);
        lua_pop(L, 1);
        if (!written) return false;
    }
    buffer_append_char(json->out, ']');
    return true;
}

static int compare_keys(const void *a, const void *b) {
    const struct slice *left = a, *right = b;
    int order = memcmp(left->ptr, right->ptr, left->len < right->len ? left->len : right->len);
    return order ? order : left->len < right->len ? -1 : left->len > right->len;
}

/* Pushes a userdata with the table's keys, sorted: Lua's iteration order depends on garbage collection, but a message
 * that a client repeats must become the same bytes. NULL: a key is not a string. The keys live as long as the table
 * holds them. */
static struct slice *push_keys(lua_State *L, int table, size_t *len_r) {
    size_t len = 0, i = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) len++;
    struct slice *keys = lua_newuserdata(L, len * sizeof *keys + 1);
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1), i++) {
        if (lua_type(L, -2) != LUA_TSTRING) return NULL;
        keys[i].ptr = lua_tolstring(L, -2, &keys[i].len);
    }
    qsort(keys, len, sizeof *keys, compare_keys);
    *len_r = len;
    return keys;
}

static bool write_members(lua_State *L, int table, struct json_out *json, unsigned depth) {
    size_t len;
    struct slice *keys = push_keys(L, table, &len);
    if (!keys) return fail(json, "a table whose keys are neither 1…n nor strings");
    buffer_append_char(json->out, '{');
    for (size_t i = 0; i < len; i++) {
        if (i > 0) buffer_append_char(json->out, ',');
        lua_pushlstring(L, keys[i].ptr, keys[i].len);
        if (!write_text(L, lua_gettop(L), json)) return false;
        buffer_append_char(json->out, ':');
        lua_rawget(L, table);
        if (!write_value(L, lua_gettop(L), json, depth + 1)) return false;
        lua_pop(L, 1);
    }
    buffer_append_char(json->out, '}');
    return true;
}

/* Unmarked tables: {} is an object; a table with item 1 is an array if it has only items. */
static bool is_list(lua_State *L, int table, bool *mixed_r) {
    *mixed_r = false;
    if (types_is_array(L, table)) return true;
    size_t len = lua_objlen(L, table), keys = 0;
    if (len == 0) return false;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) keys++;
    *mixed_r = keys != len;
    return true;
}

static bool write_table(lua_State *L, int index, struct json_out *json, unsigned depth) {
    bool mixed;
    int top = lua_gettop(L);
    if (is_list(L, index, &mixed)) {
        if (mixed) return fail(json, "an array with holes or names");
        return write_items(L, index, json, depth);
    }
    bool written = write_members(L, index, json, depth);
    lua_settop(L, top);
    return written;
}

static bool write_userdata(lua_State *L, int index, struct json_out *json) {
    struct slice bytes;
    if (types_raw(L, index, &bytes)) {
        buffer_append_slice(json->out, bytes);
        return true;
    }
    if (!types_binary(L, index, &bytes)) return fail(json, "an object that JSON cannot hold");
    if (json->attachments_len >= json->attachments_max)
        return fail(json, json->attachments_max ? "more than ten binary values" : "a binary value");
    buffer_printf(json->out, "{\"_placeholder\":true,\"num\":%u}", json->attachments_len);
    json->attachments[json->attachments_len++] = bytes;
    return true;
}

static bool write_value(lua_State *L, int index, struct json_out *json, unsigned depth) {
    if (depth > JSON_DEPTH_MAX) return fail(json, "nested deeper than 32, or a cycle");
    if (json->out->len > json->max_bytes) return fail(json, JSON_TOO_LARGE);
    luaL_checkstack(L, 6, "the value is nested too deeply");
    switch (lua_type(L, index)) {
        case LUA_TNIL:
        case LUA_TNONE:
            buffer_append_str(json->out, "null");
            return true;
        case LUA_TBOOLEAN:
            buffer_append_str(json->out, lua_toboolean(L, index) ? "true" : "false");
            return true;
        case LUA_TNUMBER:
            return write_number(L, index, json);
        case LUA_TSTRING:
            return write_text(L, index, json);
        case LUA_TTABLE:
            return write_table(L, index, json, depth);
        case LUA_TLIGHTUSERDATA:
            if (!types_is_null(L, index)) return fail(json, "an object that JSON cannot hold");
            buffer_append_str(json->out, "null");
            return true;
        case LUA_TUSERDATA:
            return write_userdata(L, index, json);
        default:
            return fail(json, "a function or thread");
    }
}

bool script_json_pull(lua_State *L, int index, struct json_out *json) {
    if (index < 0 && index > LUA_REGISTRYINDEX) index = lua_gettop(L) + index + 1;
    if (!write_value(L, index, json, 1)) return false;
    return json->out->len <= json->max_bytes || fail(json, JSON_TOO_LARGE);
}

bool script_json_pull_array(lua_State *L, int first, int last, struct json_out *json) {
    buffer_append_char(json->out, '[');
    for (int i = first; i <= last; i++) {
        if (i > first) buffer_append_char(json->out, ',');
        if (!write_value(L, i, json, 2)) return false;
    }
    buffer_append_char(json->out, ']');
    return json->out->len <= json->max_bytes || fail(json, JSON_TOO_LARGE);
}
