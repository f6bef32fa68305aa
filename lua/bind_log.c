/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log lines. */
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "lua/bind_internal.h"

enum { FIELDS_MAX = 16, EVENT_MAX = 64 };

static bool is_word(struct slice text) {
    return text.len > 0 && text.len <= EVENT_MAX &&
           strspn(text.ptr, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") == text.len;
}

static int compare(const void *a, const void *b) {
    return strcmp(((const struct log_field *)a)->key, ((const struct log_field *)b)->key);
}

/* Numbers that an int64_t does not hold, infinite ones among them, are written as Lua does. */
static bool is_whole(double number) {
    return number >= -0x1p63 && number < 0x1p63 && number == floor(number);
}

/* The texts of numbers and other values stay on the stack. */
static size_t read_fields(lua_State *L, struct log_field *fields) {
    size_t len = 0;
    if (!lua_istable(L, 2)) return 0;
    luaL_checkstack(L, 2 * FIELDS_MAX + 4, "too many fields");
    lua_pushnil(L);
    while (len < FIELDS_MAX && lua_next(L, 2)) {
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && is_word(bind_text(L, -2)), 2, "a field's name is a word");
        const char *key = lua_tostring(L, -2);
        if (lua_type(L, -1) == LUA_TNUMBER && is_whole(lua_tonumber(L, -1))) {
            fields[len++] = LOG_NUMBER(key, lua_tonumber(L, -1));
        } else if (lua_isstring(L, -1)) {
            fields[len++] = LOG_SLICE(key, bind_text(L, -1));
        } else {
            fields[len++] =
                LOG_TEXT(key, lua_isboolean(L, -1) ? (lua_toboolean(L, -1) ? "true" : "false") : luaL_typename(L, -1));
        }
        lua_pushvalue(L, -2);
    }
    qsort(fields, len, sizeof *fields, compare); /* a table has no order; a stable order helps to search the log */
    return len;
}

static int write(lua_State *L, enum log_level level, struct log_site *site) {
    struct log_field fields[FIELDS_MAX + 1];
    struct slice event = bind_text(L, 1);
    luaL_argcheck(L, is_word(event), 1, "an event is a word like order.paid");
    if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
    if (!log_enabled(level)) return 0;
    fields[read_fields(L, fields)] = (struct log_field){0};
    log_write(level, site, event.ptr, fields);
    return 0;
}

/* Writes a line: a constant event name and named fields. At most 20 lines per second and level; error is not limited.
 * @function stoa.log.debug
 * @param event a word, with dots
 * @param fields {key = value}; may be nil
 * @example stoa.log.debug("order.seen", {id = order.id}) */
static int debug(lua_State *L) {
    static struct log_site site;
    return write(L, LOG_DEBUG, &site);
}

/* The same at level info.
 * @function stoa.log.info
 * @param event a word, with dots
 * @param fields {key = value}; may be nil
 * @example stoa.log.info("order.paid", {id = order.id, cents = 995}) */
static int info(lua_State *L) {
    static struct log_site site;
    return write(L, LOG_INFO, &site);
}

/* The same at level warning: we coped.
 * @function stoa.log.warning
 * @param event a word, with dots
 * @param fields {key = value}; may be nil
 * @example stoa.log.warning("webhook.slow", {ms = 900}) */
static int warning(lua_State *L) {
    static struct log_site site;
    return write(L, LOG_WARNING, &site);
}

/* The same at level error: someone must act.
 * @function stoa.log.error
 * @param event a word, with dots
 * @param fields {key = value}; may be nil
 * @example stoa.log.error("webhook.failed", {word = word}) */
static int error(lua_State *L) {
    static struct log_site site;
    return write(L, LOG_ERROR, &site);
}

void bind_log(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"debug", debug}, {"info", info}, {"warning", warning}, {"error", error}, {NULL, NULL}};
    bind_library(L, "log", functions);
}
