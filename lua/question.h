/* question.h - what the core asks, as calls of handlers and hooks, and what they return, as answers. */
#ifndef LUA_QUESTION_H
#define LUA_QUESTION_H

#include "policy/policy.h"

struct host;

void question_ask(struct host *host, struct policy_call *call);
void question_forget(struct policy_call *call);
bool question_handled(const struct host *host, enum policy_point point, struct slice namespace_name, struct slice name);

#endif
