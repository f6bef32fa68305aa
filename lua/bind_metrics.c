/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts' own counters and gauges, in the server's /metrics. */
#include <lauxlib.h>
#include <math.h>

#include "base/metrics.h"
#include "lua/bind_internal.h"

static int change(lua_State *L, bool gauge) {
    const char *name = luaL_checkstring(L, 1);
    double n = gauge ? luaL_checknumber(L, 2) : luaL_optnumber(L, 2, 1);
    luaL_argcheck(L, isfinite(n) && (gauge || n >= 0), 2, "a finite number expected; a counter only grows");
    return metric_script(name, gauge, n) ? bind_true(L) : bind_fail(L, "refused");
}

/* Adds to the counter stoa_script_NAME.
 * @function stoa.metrics.count
 * @param name [a-z_][a-z0-9_]*; at most 256 names
 * @param n how much; 1 when absent
 * @return true
 * @error refused: a bad name, or too many
 * @example stoa.metrics.count("orders_paid_total") */
static int count(lua_State *L) {
    return change(L, false);
}

/* Sets the gauge stoa_script_NAME.
 * @function stoa.metrics.gauge
 * @param name [a-z_][a-z0-9_]*
 * @param value a number
 * @return true
 * @error refused: a bad name, or too many
 * @example stoa.metrics.gauge("queue_length", #queue) */
static int gauge(lua_State *L) {
    return change(L, true);
}

void bind_metrics(lua_State *L) {
    static const luaL_Reg functions[] = {{"count", count}, {"gauge", gauge}, {NULL, NULL}};
    bind_library(L, "metrics", functions);
}
