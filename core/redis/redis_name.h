/* SPDX-License-Identifier: Apache-2.0 */
/* redis_name.h - encodes outside names (users, rooms, scripts' keys) as part of a key or topic in Redis. */
#ifndef REDIS_REDIS_NAME_H
#define REDIS_REDIS_NAME_H

#include "base/buffer.h"

enum { REDIS_NAME_GROWTH = 3 }; /* result at most 3 times as long */

/* Appends text: letters, digits and _ . : - @ / # ! unchanged, every other byte as %XX. So no name contains a brace,
 * which would move its key to another slot of a Cluster, nor a special character of patterns, ACLs or terminals.
 * Different names stay different. */
void redis_name_append(struct buffer *out, struct slice text);

#endif
