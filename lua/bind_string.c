/* SPDX-License-Identifier: Apache-2.0 */
/* The string functions that could block the loop or exhaust the memory, with limits. */
#include <lauxlib.h>
#include <string.h>

#include "lua/bind_internal.h"
#include "lua/pattern.h"
#include "lua/vm.h"

enum { STRING_MAX = 16 << 20 };

static struct slice check_text(lua_State *L, int index) {
    struct slice text;
    text.ptr = luaL_checklstring(L, index, &text.len);
    return text;
}

/* Converts a 1-based index (negative: from the end) to an offset 0…len. */
static size_t start_offset(lua_State *L, int index, size_t len) {
    ptrdiff_t init = (ptrdiff_t)luaL_optinteger(L, index, 1);
    if (init < 0) init += (ptrdiff_t)len + 1;
    if (init < 1) init = 1;
    return (size_t)init - 1 < len ? (size_t)init - 1 : len;
}

static bool is_plain(struct slice text) {
    for (size_t i = 0; i < text.len; i++)
        if (strchr("^$*+?.([%-", text.ptr[i])) return false;
    return true;
}

static int find_plain(lua_State *L, struct slice subject, struct slice text, size_t from) {
    vm_charge(L, subject.len / 16 + 1);
    const char *found =
        text.len == 0 ? subject.ptr + from : memmem(subject.ptr + from, subject.len - from, text.ptr, text.len);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - subject.ptr + 1);
    lua_pushinteger(L, found - subject.ptr + (ptrdiff_t)text.len);
    return 2;
}

static int search(lua_State *L, bool find) {
    struct slice subject = check_text(L, 1), text = check_text(L, 2);
    size_t from = start_offset(L, 3, subject.len);
    if (find && (lua_toboolean(L, 4) || is_plain(text))) return find_plain(L, subject, text, from);
    struct pattern pattern;
    pattern_init(&pattern, L, subject, text);
    const char *at = subject.ptr + from;
    do {
        const char *end = pattern_match(&pattern, at);
        if (!end) continue;
        if (!find) return pattern_push(&pattern, at, end);
        lua_pushinteger(L, at - subject.ptr + 1);
        lua_pushinteger(L, end - subject.ptr);
        return 2 + pattern_push(&pattern, NULL, NULL);
    } while (at++ < subject.ptr + subject.len && !pattern.anchored);
    lua_pushnil(L);
    return 1;
}

static int string_find(lua_State *L) {
    return search(L, true);
}
static int string_match(lua_State *L) {
    return search(L, false);
}

static int gmatch_next(lua_State *L) {
    struct slice subject = check_text(L, lua_upvalueindex(1)), text = check_text(L, lua_upvalueindex(2));
    struct pattern pattern;
    pattern_init(&pattern, L, subject, text);
    /* In gmatch a '^' is no anchor but would end the loop at once: it matches nothing beyond the start. */
    const char *at = subject.ptr + lua_tointeger(L, lua_upvalueindex(3));
    for (; at <= subject.ptr + subject.len; at++) {
        if (pattern.anchored && at > subject.ptr) break;
        const char *end = pattern_match(&pattern, at);
        if (!end) continue;
        lua_pushinteger(L, (end > at ? end : end + 1) - subject.ptr);
        lua_replace(L, lua_upvalueindex(3));
        return pattern_push(&pattern, at, end);
    }
    lua_pushinteger(L, (lua_Integer)subject.len + 1);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

static int string_gmatch(lua_State *L) {
    check_text(L, 1);
    check_text(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, gmatch_next, 3);
    return 1;
}

/* "%1" and "%%" in a replacement text. */
static void add_template(luaL_Buffer *out, struct pattern *pattern, struct slice text, const char *at,
                         const char *end) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '%' || i + 1 == text.len) {
            luaL_addchar(out, text.ptr[i]);
            continue;
        }
        char letter = text.ptr[++i];
        if (letter == '0') {
            luaL_addlstring(out, at, (size_t)(end - at));
        } else if (letter >= '1' && letter <= '9') {
            pattern_push_one(pattern, (unsigned)(letter - '1'), at, end);
            lua_tostring(pattern->L, -1); /* a position becomes text */
            luaL_addvalue(out);
        } else {
            luaL_addchar(out, letter);
        }
    }
}

/* Appends the string on top to the result; total: the length so far. */
static void add_bounded(luaL_Buffer *out, lua_State *L, size_t *total) {
    *total += lua_objlen(L, -1);
    if (*total > STRING_MAX) luaL_error(L, "resulting string too large");
    luaL_addvalue(out);
}

/* Appends the replacement of a match from argument 3: a template, a table or a function. */
static void add_replacement(luaL_Buffer *out, struct pattern *pattern, const char *at, const char *end, size_t *total) {
    lua_State *L = pattern->L;
    vm_check_depth(L);
    if (lua_type(L, 3) == LUA_TTABLE) {
        pattern_push_one(pattern, 0, at, end);
        lua_gettable(L, 3);
    } else if (lua_type(L, 3) == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, pattern_push(pattern, at, end), 1);
    } else {
        luaL_Buffer made;
        luaL_buffinit(L, &made);
        add_template(&made, pattern, check_text(L, 3), at, end);
        luaL_pushresult(&made);
        add_bounded(out, L, total);
        return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, at, (size_t)(end - at));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    add_bounded(out, L, total);
}

static int string_gsub(lua_State *L) {
    struct slice subject = check_text(L, 1), text = check_text(L, 2);
    int kind = lua_type(L, 3);
    luaL_argcheck(L, kind == LUA_TSTRING || kind == LUA_TNUMBER || kind == LUA_TTABLE || kind == LUA_TFUNCTION, 3,
                  "string, function or table expected");
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)subject.len + 1), count = 0;
    struct pattern pattern;
    luaL_Buffer out;
    pattern_init(&pattern, L, subject, text);
    luaL_buffinit(L, &out);
    const char *at = subject.ptr, *limit = subject.ptr + subject.len;
    size_t total = subject.len;
    while (count < most) {
        const char *end = pattern_match(&pattern, at);
        if (end) {
            count++;
            add_replacement(&out, &pattern, at, end, &total);
        }
        if (end && end > at)
            at = end;
        else if (at < limit)
            luaL_addchar(&out, *at++);
        else
            break;
        if (pattern.anchored) break;
    }
    luaL_addlstring(&out, at, (size_t)(limit - at));
    luaL_pushresult(&out);
    lua_pushinteger(L, count);
    return 2;
}

static int string_rep(lua_State *L) {
    struct slice text = check_text(L, 1), separator = SLICE_NONE;
    lua_Integer count = luaL_checkinteger(L, 2);
    separator.ptr = luaL_optlstring(L, 3, "", &separator.len);
    if (count <= 0 || text.len + separator.len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((size_t)count > STRING_MAX / (text.len + separator.len)) return luaL_error(L, "resulting string too large");
    vm_charge(L, (size_t)count * (text.len + separator.len) / 16 + 1);
    /* In the vm's buffer: doubles the content until it is long enough. */
    size_t unit = text.len + separator.len, total = unit * (size_t)count - separator.len;
    struct buffer *out = &vm_of(L)->out;
    buffer_clear(out);
    buffer_append_slice(out, text);
    if (count > 1) buffer_append_slice(out, separator);
    buffer_reserve(out, total);
    while (out->len < total) {
        size_t whole = out->len / unit * unit, left = total - out->len;
        buffer_append(out, out->ptr, whole < left ? whole : left);
    }
    lua_pushlstring(L, out->ptr, total);
    return 1;
}

/* Charges for its text arguments; the upvalue is Lua's own function. */
static int charged(lua_State *L) {
    size_t total = 0;
    for (int i = 1; i <= lua_gettop(L); i++) total += lua_type(L, i) == LUA_TSTRING ? lua_objlen(L, i) : 0;
    if (total > STRING_MAX) return luaL_error(L, "resulting string too large");
    vm_charge(L, total / 16 + 1);
    vm_check_depth(L);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

void bind_string(lua_State *L) {
    static const luaL_Reg functions[] = {{"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch},
                                         {"gsub", string_gsub}, {"rep", string_rep},     {NULL, NULL}};
    static const char *const own[] = {"format", "lower", "reverse", "upper", NULL};
    lua_getglobal(L, "string");
    luaL_register(L, NULL, functions);
    for (const char *const *name = own; *name; name++) {
        lua_getfield(L, -1, *name);
        lua_pushcclosure(L, charged, 1);
        lua_setfield(L, -2, *name);
    }
    lua_pop(L, 1);
}
