/* SPDX-License-Identifier: Apache-2.0 */
/* script_health.h - the state of parts that scripts monitor, for /health: for example "identity" is well, or its
 * problem. */
#ifndef WORKER_SCRIPT_HEALTH_H
#define WORKER_SCRIPT_HEALTH_H

#include "base/buffer.h"

enum { SCRIPT_HEALTH_MAX = 8, SCRIPT_HEALTH_NAME_MAX = 31, SCRIPT_HEALTH_TEXT_MAX = 127 };

/* {0} is none. */
struct script_health {
    struct script_health_part {
        char name[SCRIPT_HEALTH_NAME_MAX + 1], text[SCRIPT_HEALTH_TEXT_MAX + 1]; /* text "": it is well */
    } items[SCRIPT_HEALTH_MAX];
    size_t len;
};

/* text empty: the part is well. False: no such name ([a-z_]), one that the server itself reports, or too many. */
bool script_health_set(struct script_health *script_health, struct slice name, struct slice text) MUST_CHECK;
/* Clears all; call when other scripts are in force. */
void script_health_forget(struct script_health *script_health);
bool script_health_any(const struct script_health *script_health);
/* Members of a JSON object, each with a comma before it: ,"identity":"ok" */
void script_health_write(const struct script_health *script_health, struct buffer *out);

#endif
