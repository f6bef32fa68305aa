/* SPDX-License-Identifier: Apache-2.0 */
/* testing.h - a world for tests: the worker on a fake clock, with a store in memory and clients without sockets. */
#ifndef LUA_TESTING_TESTING_H
#define LUA_TESTING_TESTING_H

#include <lauxlib.h>

#include "base/buffer.h"
#include "worker/worker.h"

struct odd_store;

struct world {
    struct loop *loop;
    struct worker worker;
    struct config *config;
    bool open;
    unsigned clients;
    struct odd_store *store; /* the worker's */
    struct buffer scratch, out;
};

/* Raises if the world is closed. */
struct world *world_at(lua_State *L, int index);

#endif
