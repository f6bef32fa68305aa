/* SPDX-License-Identifier: Apache-2.0 */
/* script_endpoints.h - the paths that scripts answer: Engine.IO below one, raw WebSockets at one. For this folder only.
 */
#ifndef SESSION_SCRIPT_ENDPOINTS_H
#define SESSION_SCRIPT_ENDPOINTS_H

#include "session/hub.h"

struct script_endpoints {
    struct hub_endpoint *list;
    size_t len;
};

/* Copies the list; len 0 frees the memory. */
void script_endpoints_set(struct script_endpoints *endpoints, const struct hub_endpoint *list, size_t len);
/* NULL: no script answers there. */
const struct hub_endpoint *script_endpoints_at(const struct script_endpoints *endpoints, struct slice path);
/* By the path that a script registered. */
const struct hub_endpoint *script_endpoints_find(const struct script_endpoints *endpoints, const char *path, bool raw);
/* prefix "/engine.io" matches all paths below "/engine.io/". */
bool path_below(struct slice path, const char *prefix);

#endif
