/* inquiry.h - what the core asks, as calls of handlers and hooks, and what they return, as answers. */
#ifndef LUA_INQUIRY_H
#define LUA_INQUIRY_H

#include "policy/policy.h"

struct host;

void inquiry_ask(struct host *host, struct policy_call *call);
void inquiry_forget(struct policy_call *call);
bool inquiry_handled(const struct host *host, enum policy_point point, struct slice namespace_name, struct slice name);

#endif
