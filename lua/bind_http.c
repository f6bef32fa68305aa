/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to other servers. */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "lua/bind_internal.h"
#include "net/http_client.h"
#include "worker/worker.h"

enum { HEADERS_MAX = 32, TIMEOUT_S = 10, TIMEOUT_MAX_S = 120, BODY_MAX = 1 << 20, BODY_MOST = 16 << 20 };

static void push_headers(lua_State *L, struct slice lines) {
    lua_newtable(L);
    while (lines.len > 0) {
        const char *end = memchr(lines.ptr, '\n', lines.len), *colon = memchr(lines.ptr, ':', lines.len);
        if (!end || !colon) return;
        const char *value = colon + 1;
        while (value < end && *value == ' ') value++;
        lua_pushlstring(L, lines.ptr, (size_t)(colon - lines.ptr));
        lua_pushlstring(L, value, (size_t)(end - value));
        lua_rawset(L, -3);
        lines = slice_from(lines, (size_t)(end - lines.ptr) + 1);
    }
}

static int push_fetched(lua_State *L, void *owner) {
    static const char *const words[] = {[HTTP_FETCH_TIMEOUT] = "timeout",
                                        [HTTP_FETCH_UNAVAILABLE] = "unavailable",
                                        [HTTP_FETCH_TOO_LARGE] = "too_large",
                                        [HTTP_FETCH_UNTRUSTED] = "untrusted"};
    const struct http_fetched *fetched = owner;
    if (fetched->status != HTTP_FETCH_OK) return bind_fail(L, words[fetched->status]);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)fetched->code);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, fetched->body.ptr ? fetched->body.ptr : "", fetched->body.len);
    lua_setfield(L, -2, "body");
    push_headers(L, fetched->headers);
    lua_setfield(L, -2, "headers");
    return 1;
}

static void fetched(void *owner, const struct http_fetched *result) {
    struct task_ticket *ticket = owner;
    task_answer(&ticket, push_fetched, (void *)(uintptr_t)result);
}

size_t bind_http_headers(lua_State *L, int index, const char **headers, size_t max) {
    size_t len = 0;
    bind_push_field(L, index, "headers");
    if (lua_isnil(L, -1)) return 0;
    luaL_checktype(L, -1, LUA_TTABLE);
    luaL_checkstack(L, (int)max * 2 + 8, "too many headers");
    int table = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1) || len == max)
            luaL_error(L, "headers: at most %d names with strings expected", (int)max);
        const char *header = lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), lua_tostring(L, -1));
        if (strpbrk(header, "\r\n")) luaL_error(L, "headers: no line breaks");
        headers[len++] = header;
        lua_replace(L, -2);
        lua_pushvalue(L, -2);
    }
    return len;
}

static int refuse(lua_State *L, void *owner) {
    (void)owner;
    return bind_fail(L, "unavailable");
}

/* Sends an HTTP or HTTPS request and waits for the answer; follows no redirects.
 * @function stoa.http.request
 * @param request {url, method = "GET", headers?, body?, ca = "PEM file"? (beside the configuration; else the system's
 * authorities), timeout_s = 10, max_bytes = 1048576}
 * @return {status, headers (names in lower case), body}; waits
 * @error timeout, unavailable (also with too many under way), untrusted (the certificate, or no authorities in ca),
 * too_large, bad_request (no http URL)
 * @example local answer, word = stoa.http.request{url = "https://hooks.example/x", method = "POST", body = json} */
static int request(lua_State *L) {
    const char *headers[HEADERS_MAX];
    struct script_state *scripts = script_state_of(L);
    struct worker *worker = script_state_worker(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct slice url = bind_field(L, 1, "url"), method = bind_field(L, 1, "method");
    double timeout_s = bind_number_field(L, 1, "timeout_s", TIMEOUT_S);
    double max_bytes = bind_number_field(L, 1, "max_bytes", BODY_MAX);
    if (!(timeout_s >= 0.001 && timeout_s <= TIMEOUT_MAX_S)) return luaL_error(L, "timeout_s: up to %d", TIMEOUT_MAX_S);
    if (!(max_bytes >= 0 && max_bytes <= BODY_MOST)) return luaL_error(L, "max_bytes: up to %d", BODY_MOST);
    if (method.len == 0) method = SLICE("GET");
    if (strspn(method.ptr, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != method.len) return luaL_error(L, "method: capitals");
    if (strncmp(url.ptr ? url.ptr : "", "http", 4) != 0 || strlen(url.ptr) != url.len)
        return bind_fail(L, "bad_request");
    struct http_fetch fetch = {.method = method.ptr,
                               .url = url.ptr,
                               .headers = headers,
                               .body = bind_field(L, 1, "body"),
                               .timeout_ms = (unsigned)(timeout_s * 1000),
                               .max_bytes = (size_t)max_bytes};
    fetch.headers_len = bind_http_headers(L, 1, headers, HEADERS_MAX);
    fetch.ca = bind_path_field(L, 1, "ca");
    struct task_ticket *ticket = task_begin_wait(L);
    if (!scripts->made.http) scripts->made.http = http_client_new(worker->loop);
    if (!http_client_fetch(scripts->made.http, &fetch, fetched, ticket)) task_answer(&ticket, refuse, NULL);
    return task_wait(L, fetch.timeout_ms + 1000);
}

void bind_http(lua_State *L) {
    static const luaL_Reg functions[] = {{"request", request}, {NULL, NULL}};
    bind_library(L, "http", functions);
}
