/* SPDX-License-Identifier: Apache-2.0 */
/* script_policy.h - policies made of Lua scripts (policy.h): each question is a task. */
#ifndef LUA_SCRIPT_POLICY_H
#define LUA_SCRIPT_POLICY_H

struct policy_source;

/* For worker_init and the master: worker.h says what it gives. */
extern const struct policy_source script_policy_source;

#endif
