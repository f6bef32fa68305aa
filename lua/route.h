/* SPDX-License-Identifier: Apache-2.0 */
/* route.h - routes registered with stoa.route: matches "/api/channels/{id}" against a request's path. */
#ifndef LUA_ROUTE_H
#define LUA_ROUTE_H

#include <lua.h>

#include "base/list.h"
#include "base/slice.h"

struct route {
    struct list link;
    char *method, *path;
    int head, fn; /* head: LUA_NOREF if there is none */
};

/* Finds the route for a request; NULL: none matches. */
struct route *route_find(const struct list *routes, struct slice method, struct slice path);
/* True: path matches the route's pattern. If L is not NULL, sets the parameters in the table on top of L. */
bool route_matches(const char *pattern, struct slice path, lua_State *L);

#endif
