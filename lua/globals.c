/* SPDX-License-Identifier: Apache-2.0 */
#include "lua/globals.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>

#include "lua/sandbox.h"

struct looking {
    struct slice text;
    const char *path;
    bool (*has)(void *owner, const char *name);
    void *owner;
    bool found;
    struct error *error_r;
};

/* The list that the library makes: name, line, name, line, … */
static void judge(lua_State *L, struct looking *looking) {
    size_t len = lua_objlen(L, -1);
    for (size_t i = 1; i < len && !looking->found; i += 2) {
        lua_rawgeti(L, -1, (int)i);
        lua_rawgeti(L, -2, (int)i + 1);
        const char *name = lua_tostring(L, -2);
        if (!looking->has(looking->owner, name)) {
            error_set(looking->error_r, "%s:%d: there is no global '%s' (a local? or _G.%s, where it may be missing)",
                      looking->path, (int)lua_tointeger(L, -1), name, name);
            looking->found = true;
        }
        lua_pop(L, 2);
    }
}

static int look(lua_State *L) {
    struct looking *looking = lua_touserdata(L, 1);
    luaL_openlibs(L);
    luaJIT_setmode(L, 0,
                   LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF); /* a service may not make code (MemoryDenyWriteExecute) */
    if (luaL_loadbufferx(L, looking->text.ptr, looking->text.len, "=text", "t") != 0) return 0;
    sandbox_run_embedded(L, "globals", 1);
    judge(L, looking);
    return 0;
}

bool globals_check(const char *path, struct slice text, bool (*has)(void *owner, const char *name), void *owner,
                   struct error *error_r) {
    struct looking looking = {text, path, has, owner, false, error_r};
    lua_State *L = luaL_newstate(); /* a separate state: the sandbox has no jit.util */
    if (!L) return true;
    bool looked = lua_cpcall(L, look, &looking) == 0;
    if (!looked) error_set(error_r, "%s:1: %s", path, lua_isstring(L, -1) ? lua_tostring(L, -1) : "?");
    lua_close(L);
    return looked && !looking.found;
}
