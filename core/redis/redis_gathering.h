/* SPDX-License-Identifier: Apache-2.0 */
/* redis_gathering.h - runs one command on every primary and combines the replies. */
#ifndef REDIS_REDIS_GATHERING_H
#define REDIS_REDIS_GATHERING_H

#include "base/slice.h"

struct redis;
struct redis_call;
struct redis_gathering;

/* As redis_command. The reply is an array of all replies, REDIS_NIL for a primary that gave none in time. */
void redis_gathering_command(struct redis *redis, struct redis_call *call, const struct slice *argv, size_t argc);
void redis_gathering_free(struct redis_gathering **gathering);

#endif
