/* SPDX-License-Identifier: Apache-2.0 */
/* redis_name.h - what others name (users, rooms, keys of scripts) as a part of a key or topic in Redis. */
#ifndef REDIS_REDIS_NAME_H
#define REDIS_REDIS_NAME_H

#include "base/buffer.h"

enum { REDIS_NAME_GROWTH = 3 }; /* times as long at most */

/* Appends text: letters, digits and _ . : - @ / # ! as they are, every other byte as %XX. So no name holds a brace that
 * would move its key to another slot of a Cluster, nor what a pattern, an ACL or a terminal understands; and two names
 * that differ stay different. */
void redis_name_append(struct buffer *out, struct slice text);

#endif
