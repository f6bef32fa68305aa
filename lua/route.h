/* SPDX-License-Identifier: Apache-2.0 */
/* route.h - what stoa.route registered: "/api/channels/{id}" against a request's path. */
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

/* Of a list of routes; NULL: none is for that request. */
struct route *route_find(const struct list *routes, struct slice method, struct slice path);
/* Does path match the route's pattern? pushes the parameters' values into the table on top of L, if L is not NULL. */
bool route_matches(const char *pattern, struct slice path, lua_State *L);

#endif
