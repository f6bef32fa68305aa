/* SPDX-License-Identifier: Apache-2.0 */
/* script_policy.h - policies in Lua scripts (policy.h): each policy call runs as a task. */
#ifndef LUA_SCRIPT_POLICY_H
#define LUA_SCRIPT_POLICY_H

struct policy_source;

/* For worker_init and the master; see worker.h. */
extern const struct policy_source script_policy_source;

#endif
